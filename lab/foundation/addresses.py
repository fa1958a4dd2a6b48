"""Where a server that listens on an address is reached from this machine."""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def reachable(address: str) -> str:
    """Return where a server that listens on this address is reached from this machine."""
    return ANY_ADDRESS.get(address, address)
