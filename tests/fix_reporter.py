"""A reporter that records waits and ends of steps."""


class RecordedReporter:
    """Waits, and how each step ended."""

    def __init__(self) -> None:
        self.waits: list[str] = []
        self.ends: list[str] = []

    def begin(self, step: str, detail: str = "") -> None:
        """Not recorded."""

    def wait(self, detail: str) -> None:
        """What is waited for."""
        self.waits.append(detail)

    def done(self, step: str, detail: str = "") -> None:
        """How it ended."""
        self.ends.append(f"{step} {detail}".rstrip())
