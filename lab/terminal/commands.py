"""Command groups that import a command's module when the command is called, for a short start-up time."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from inspect import cleandoc
from types import MappingProxyType
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

# For a command that passes its arguments on to another program.
PASS_ON = MappingProxyType({"ignore_unknown_options": True, "allow_extra_args": True})


def reflowed(docstring: str) -> str:
    r"""Return a docstring with each paragraph in one line: the width of the terminal breaks it.

    >>> reflowed("Stop the lab.\n\n    Components that do not stop\n    are killed.\n    ")
    'Stop the lab.\n\nComponents that do not stop are killed.'
    """
    paragraphs = cleandoc(docstring).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


@contextmanager
def without_collections() -> Iterator[None]:
    """Pause the garbage collector for imports: it frees nothing of them, and takes a sixth of their time.

    What was imported stays out of later collections, too.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class LazyCommand(TyperCommand):
    """A lazily imported command: its name, the location of its function, its line in the group's help."""

    def __init__(
        self, name: str, target: str, summary: str, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Declare a command.

        Args:
            name: the command's name.
            target: `module:function`, or `module:group`.
            summary: the first line of the function's docstring.
            settings: typer's context settings.
        """
        super().__init__(name, help=summary)
        self.target = target
        self._settings = dict(settings or {})

    def load(self) -> TyperCommand | TyperGroup:
        """Import the module, and return the command itself."""
        module, _, attribute = self.target.partition(":")
        with without_collections():
            found = getattr(import_module(module), attribute)
        if isinstance(found, TyperGroup):
            return found
        single = typer.Typer(add_completion=False)
        text = reflowed(found.__doc__ or "")
        single.command(self.name, help=text, context_settings=self._settings)(found)
        command: TyperCommand = typer.main.get_command(single)  # type: ignore[assignment]
        return command


class CommandGroup(TyperGroup):
    """A group of lazily imported commands."""

    def __init__(self, name: str, summary: str, *commands: LazyCommand) -> None:
        super().__init__(
            name=name,
            commands=list(commands),
            help=summary,
            no_args_is_help=True,
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of these arguments, and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, rest
