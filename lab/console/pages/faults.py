"""The faults that drills injected, as bands behind charts."""

from datetime import datetime

from lab.console.pages.chart import Band
from lab.drilldown import Drilldown
from lab.drills.history import History
from lab.drills.running import DrillFiles
from lab.foundation.paths import Paths
from lab.foundation.timestamps import NS_PER_MS, nanoseconds


def history(drilldown: Drilldown) -> History:
    """Return the journal of this lab's drills; it is empty when the console cannot read it."""
    return History(DrillFiles(Paths.of(drilldown.settings)))


def bands(drilldown: Drilldown, since: datetime, until: datetime) -> list[Band]:
    """Return the faults of a window, the latest first."""
    end_ms = nanoseconds(until) // NS_PER_MS
    return [
        Band(
            label=f"drill {past.drill}",
            href=f"/drills/{past.run}",
            begin_ms=past.began_ns // NS_PER_MS,
            end_ms=end_ms if past.healed_ns is None else past.healed_ns // NS_PER_MS,
        )
        for past in history(drilldown).between(nanoseconds(since), nanoseconds(until))
    ]
