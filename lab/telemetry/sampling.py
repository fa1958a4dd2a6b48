"""The thread of a sampler: a sample each second as the role `lab`, and a new session after an error."""

import threading
import time
from abc import ABC, abstractmethod
from typing import Self

from lab.clients.database import Connection, Role, connect, dsn
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings

INTERVAL_S = 1.0
CONNECT_TIMEOUT_S = 2


class SamplingThread(ABC):
    """Samples until it is stopped; start it with `with`.

    `name` is the thread's, `application_name` the session's; after an error the thread waits `retry_s`.
    """

    def __init__(
        self, settings: LabSettings, *, name: str, application_name: str, retry_s: float
    ) -> None:
        self._target = dsn(settings, Role.LAB)
        self._application_name = application_name
        self._retry_s = retry_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def take(self, connection: Connection) -> None:
        """Take one sample, and store it.

        Raises:
            DatabaseError: when the database does not answer.
        """

    @abstractmethod
    def failed(self, error: DatabaseError) -> None:
        """Report that there is no session, or that a sample failed."""

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after the current sample."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with connect(
                    self._target,
                    application_name=self._application_name,
                    connect_timeout_s=CONNECT_TIMEOUT_S,
                ) as connection:
                    self._follow(connection)
            except DatabaseError as error:
                self.failed(error)
                self._stop.wait(self._retry_s)

    def _follow(self, connection: Connection) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(due - time.monotonic(), 0)):
            self.take(connection)
            # Missed samples are skipped: two samples at one time have the same content.
            due = max(due + INTERVAL_S, time.monotonic())
