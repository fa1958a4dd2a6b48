"""Plans and executes a push: first compares and validates everything, then writes."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from lab.datadog.api import Api, Body
from lab.datadog.definitions import Definition, Kind, identity_of, title_of
from lab.datadog.difference import Change, changes
from lab.foundation.errors import LabError


class Action(StrEnum):
    """What a push does to one monitor or dashboard."""

    CREATE = "create"
    UPDATE = "update"
    NOTHING = "unchanged"
    # An object of the lab whose file was removed; the user may still use it.
    LEAVE = "left"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One action. `key` is Datadog's id, None until created; `definition` is None for `left`."""

    action: Action
    kind: Kind
    identity: str
    title: str
    key: str | None = None
    changes: tuple[Change, ...] = ()
    definition: Definition | None = None

    @property
    def writes(self) -> bool:
        """Whether the step changes anything at Datadog."""
        return self.action in {Action.CREATE, Action.UPDATE}

    def to_json(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return {
            "action": self.action.value,
            "kind": self.kind.value,
            "identity": self.identity,
            "title": self.title,
            "id": self.key,
            "changes": [asdict(change) for change in self.changes],
        }


def plan(api: Api, definitions: Sequence[Definition]) -> tuple[Step, ...]:
    """Compare with the account, and let Datadog validate each monitor that would be written.

    Raises:
        LabError: when Datadog refuses, or when the account has an identity twice.
    """
    steps = [step for kind in Kind for step in _plan(api, kind, definitions)]
    for step in steps:
        if step.writes and step.definition and step.kind is Kind.MONITOR:
            api.validate(step.title, step.definition.body, step.key)
    return tuple(steps)


def carry_out(api: Api, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Execute the steps, and return them with their keys.

    Raises:
        LabError: when Datadog refuses; earlier writes are kept, and the next push continues after them.
    """
    done: list[Step] = []
    try:
        for step in steps:
            written = step.writes and step.definition
            key = api.write(step.kind, step.title, written.body, step.key) if written else step.key
            done.append(replace(step, key=key))
    except LabError as error:
        before = sum(step.writes for step in done)
        total = sum(step.writes for step in steps)
        raise LabError(
            f"{error}\n{before} of {total} were written before; push again to continue."
        ) from None
    return tuple(done)


def _plan(api: Api, kind: Kind, definitions: Sequence[Definition]) -> Iterator[Step]:
    stored = _by_identity(kind, api.stored(kind))
    for definition in definitions:
        if definition.kind is kind:
            yield _step(api, definition, stored.pop(definition.identity, None))
    for identity, body in stored.items():
        yield Step(
            action=Action.LEAVE,
            kind=kind,
            identity=identity,
            title=title_of(kind, body),
            key=str(body["id"]),
        )


def _step(api: Api, definition: Definition, stored: Body | None) -> Step:
    step = Step(
        action=Action.CREATE,
        kind=definition.kind,
        identity=definition.identity,
        title=definition.title,
        definition=definition,
    )
    if stored is None:
        return step
    key = str(stored["id"])
    whole = api.dashboard(key) if definition.kind is Kind.DASHBOARD else stored
    found = changes(definition.body, whole)
    action = Action.UPDATE if found else Action.NOTHING
    return replace(step, action=action, key=key, changes=found)


def _by_identity(kind: Kind, bodies: Sequence[Body]) -> dict[str, Body]:
    found: dict[str, Body] = {}
    for body in bodies:
        identity = identity_of(kind, body)
        if identity is None:
            continue
        if other := found.get(identity):
            raise LabError(
                f"The account has two {kind}s with the identity {identity}: {other['id']} and {body['id']}.\n"
                "Delete one of them in Datadog, and push again."
            )
        found[identity] = body
    return found
