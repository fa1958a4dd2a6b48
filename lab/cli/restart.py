"""`restart`: down and up again, with the options of the last `up` and the settings of now."""


def restart() -> None:
    """Stop the lab and start it as it was; changed settings take effect."""
    from dataclasses import replace

    from lab.cli.screen import Screen
    from lab.cli.up import bring_up
    from lab.paths import Paths
    from lab.settings import LabSettings
    from lab.stack.memory import Memory
    from lab.stack.stopping import down

    settings = LabSettings.load()
    known = Memory.read(Paths.of(settings).memory) or Memory()
    with Screen() as screen:
        down(settings, wipe=False, reporter=screen)
    bring_up(replace(known, settings={}))
