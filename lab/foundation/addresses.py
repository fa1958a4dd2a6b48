"""The address at which this machine reaches a server, from the address it listens on."""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def reachable(address: str) -> str:
    """Return the address at which this machine reaches a server that listens on `address`."""
    return ANY_ADDRESS.get(address, address)
