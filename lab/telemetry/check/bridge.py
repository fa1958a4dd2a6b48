"""Answers the calls of the check's process, as an Agent does; puts its data into batches for the intake."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any

import msgspec

from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.telemetry import redact
from lab.telemetry.check.aggregation import Aggregation
from lab.telemetry.embedded.delivery import SERIES, SERVICE_CHECKS
from lab.telemetry.embedded.events import Event, service_check
from lab.telemetry.store.senders import Source

PATHS = MappingProxyType(
    {
        "dbm-samples": "/api/v2/databasequery",
        "dbm-metrics": "/api/v2/dbmmetrics",
        "dbm-activity": "/api/v2/dbmactivity",
        "dbm-metadata": "/api/v2/dbmmetadata",
        "dbm-health": "/api/v2/dbmhealth",
    }
)
# Fields of events with the Agent's version, by which the intake knows the sender.
VERSIONS = ("ddagentversion", "agent_version")
VARIABLE = re.compile(r"%%env_([A-Z_]+)%%")
Put = Callable[[str, list[Event]], None]
_decode = msgspec.json.Decoder(dict[str, Any])


class CheckFailedError(LabError):
    """Datadog's check cannot be made."""


def configuration(text: str, variables: Mapping[str, str], *, port: int) -> str:
    """Return the text of conf.yaml with the values of `%%env_NAME%%`, as the Agent resolves them.

    Args:
        text: of datadog/conf.d/postgres.d/conf.yaml.
        variables: by name; they are written inside double quotes.
        port: of PostgreSQL.

    Raises:
        CheckFailedError: when a variable is missing.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in variables:
            raise CheckFailedError(f"conf.yaml needs the variable {found[1]}, which is not set.")
        return json.dumps(variables[found[1]])[1:-1]

    lines = text.replace("port: 5432", f"port: {port}").splitlines()
    settings = (line for line in lines if not line.lstrip().startswith("#"))
    return "\n".join(VARIABLE.sub(value, line) for line in settings)


@dataclass(kw_only=True)
class Bridge:
    """Reads the process's calls from `calls` and writes answers to `answers`.

    Attributes:
        put: receives events, series and service checks by path.
        tags: added to all series and service checks, as an Agent adds the instance's service.
        ran: called after each run of the check, with its error or an empty text.
        ignored: called for each value that is not sent: histograms, and unknown tracks.
    """

    calls: IO[str]
    answers: IO[str]
    put: Put
    tags: Sequence[str]
    ran: Callable[[str], None]
    ignored: Callable[[], None]

    def serve(self, config: str, *, hostname: str, interval_s: float) -> None:
        """Send the configuration, and serve calls until the process ends.

        Raises:
            CheckFailedError: when the check cannot be made.
        """
        self._answer({"config": config, "hostname": hostname, "interval_s": interval_s})
        aggregation = Aggregation(tags=self.tags)
        for line in self.calls:
            call = _decode.decode(line)
            self._serve(str(call.pop("call")), call, aggregation)

    def _serve(self, name: str, call: dict[str, Any], aggregation: Aggregation) -> None:
        if name == "metric":
            if not aggregation.add(**call, at_s=clock.now_s()):
                self.ignored()
        elif name == "event":
            self._event(str(call["track"]), str(call["event"]))
        elif name == "service_check":
            self._service_check(call)
        elif name == "ran":
            self.put(SERIES, list(aggregation.commit(clock.now_s())))
            self.ran(str(call["error"]))
        elif name == "failed":
            raise CheckFailedError(f"Datadog's check cannot be loaded: {call['message']}")
        else:
            self._obfuscate(name, call)

    def _event(self, track: str, raw: str) -> None:
        path = PATHS.get(track)
        if path is None:
            self.ignored()
            return
        event = msgspec.json.decode(raw)
        event |= {name: Source.CHECK.value for name in VERSIONS if name in event}
        self.put(path, [event])

    def _service_check(self, call: Mapping[str, Any]) -> None:
        tags = [*call["tags"], *self.tags]
        run = service_check(
            call["name"], call["status"], tags, host=call["host"], at_s=clock.now_s()
        )
        self.put(SERVICE_CHECKS, [run])

    def _obfuscate(self, name: str, call: Mapping[str, Any]) -> None:
        try:
            value = statement(call["text"]) if name == "obfuscate_sql" else plan(**call)
        except (redact.InvalidPlanError, redact.RejectedPlanError) as error:
            self._answer({"error": str(error)})
        else:
            self._answer({"value": value})

    def _answer(self, document: Mapping[str, object]) -> None:
        self.answers.write(json.dumps(document) + "\n")
        self.answers.flush()


def statement(text: str) -> str:
    """Return a statement without literals, and its comments, in the form of the Agent's obfuscator."""
    redacted = redact.statement(text)
    metadata = {
        "tables_csv": "",
        "commands": [],
        "comments": redact.render(redacted.comment),
        "procedures": [],
    }
    return json.dumps({"query": redacted.text, "metadata": metadata})


def plan(text: str, *, normalize: bool) -> str:
    """Return a plan without literals; normalized, only what distinguishes it from other plans.

    Raises:
        InvalidPlanError: when it is not a plan.
        RejectedPlanError: when it is too large or too deep.
    """
    cleaned = redact.plan(text)
    return json.dumps({"shape": cleaned.shape}) if normalize else cleaned.definition
