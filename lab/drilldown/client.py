"""What commands need of the drilldown, on the store's file or over HTTP; each is imported when it is used."""

from typing import TYPE_CHECKING, TypeAlias

from lab.foundation.settings import LabSettings

if TYPE_CHECKING:
    from lab.drilldown.local import Drilldown
    from lab.drilldown.remote import RemoteDrilldown

DrilldownClient: TypeAlias = "Drilldown | RemoteDrilldown"


def client(settings: LabSettings, *, has_store: bool) -> DrilldownClient:
    """Return the drilldown on the store's file, or without the file that of the console, over HTTP."""
    if has_store:
        from lab.drilldown.local import Drilldown  # noqa: PLC0415

        return Drilldown.of(settings)
    from lab.drilldown.remote import RemoteDrilldown  # noqa: PLC0415

    return RemoteDrilldown.of(settings)
