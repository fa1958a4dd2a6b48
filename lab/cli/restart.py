"""`restart`: `down` and `up`, with the options of the last `up` and the current settings."""

from dataclasses import replace

from lab.cli.up import bring_up
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack.up_options import UpOptions
from lab.terminal.options import Docker, Native
from lab.terminal.screen import Screen


def restart(*, docker: Docker = False, native: Native = False) -> None:
    """Stop the lab and start it with the same options; changed settings take effect."""
    settings = LabSettings.load()
    chosen = mode.decide(settings, mode.requested(docker=docker, native=native))
    known = UpOptions.read(chosen.up_options_file) or UpOptions()
    with Screen() as screen:
        chosen.down(wipe=False, reporter=screen)
    bring_up(replace(known, settings={}), asked_mode=chosen.mode)
