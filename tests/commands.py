"""Every command of the command line with its options, read from the command line itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints

from lab.cli import app
from lab.terminal.commands import LazyCommand

PLACEHOLDERS = {"name": "idle-in-transaction", "file": "booklet.html", "recording": "recording"}
# A drill of an exercise, a statement of a query.
KEYS = {"exercise": "idle-in-transaction", "query": "customer_history"}


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: its words, its options' spellings, and what typer makes of it."""

    words: tuple[str, ...]
    command: Any

    @property
    def name(self) -> str:
        """Return the words as a person types them."""
        return " ".join(self.words)

    @property
    def options(self) -> Iterator[tuple[str, Any]]:
        """Yield each spelling that is an option of its own: the long ones, and both sides of a switch."""
        for parameter in self.command.params:
            if parameter.param_type_name == "option":
                spellings = [*parameter.opts, *parameter.secondary_opts]
                longs = [s for s in spellings if s.startswith("--")]
                yield from ((spelling, parameter) for spelling in longs)

    @property
    def arguments(self) -> list[str]:
        """Return something for each argument and option without which the command cannot be parsed."""
        given = {**PLACEHOLDERS, "key": KEYS.get(self.words[-1], "")}
        needed: list[str] = []
        for parameter in self.command.params:
            if parameter.required:
                option = parameter.param_type_name == "option"
                needed += [*parameter.opts[:option], given[parameter.name]]
        return needed

    def parse(self, *arguments: str) -> dict[str, Any]:
        """Parse a command line of this command as typer does; nothing is run."""
        context = self.command.make_context(self.name, [*self.arguments, *arguments])
        parsed: dict[str, Any] = context.params
        return parsed

    def numbers(self) -> Iterator[tuple[str, type]]:
        """Yield the options that take a number, with int or float."""
        hints = get_type_hints(self.command.callback)
        for spelling, parameter in self.options:
            kinds = getattr(hints.get(parameter.name), "__args__", (hints.get(parameter.name),))
            yield from ((spelling, kind) for kind in kinds if kind in (int, float))


def all_commands() -> list[Command]:
    """Return every command, those of its groups too."""
    return list(_walk(app, ()))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[Command]:
    loaded = command.load() if isinstance(command, LazyCommand) else command
    if hasattr(loaded, "commands"):
        for name, each in loaded.commands.items():
            yield from _walk(each, (*words, name))
    else:
        yield Command(words=words, command=loaded)
