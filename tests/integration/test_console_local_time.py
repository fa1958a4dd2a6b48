"""The console's script writes a page's times in the reader's zone: real browser, every change of clocks."""

import time
from datetime import datetime

import pytest
from playwright.sync_api import Browser

from lab.foundation.settings import ROOT
from tests.zones import MOMENTS, RULES

SCRIPT = ROOT / "lab" / "console" / "pages" / "static" / "console.js"
# The rules of tests/zones.py are São Paulo's until 2019; a browser knows that there is no summer time since.
NO_LONGER_SUMMER = {("America/Sao_Paulo", "the end of a year")}
# Never asked: the browser is answered by this test.
PAGE = "http://127.0.0.1:9/"
STYLES = ("full", "short")
FRAME = '<main data-refresh="0"><button class="theme"></button><i class="zone"></i>{times}{labels}</main>'
TIME = '<time datetime="{at}" data-style="{style}"></time>'
LABEL = '<svg><text data-ms="{ms}"></text></svg>'


def local(zone: str, at: datetime) -> time.struct_time:
    """Return a moment in a zone, as the C library reads its POSIX rule."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", RULES[zone])
        time.tzset()
        read = time.localtime(at.timestamp())
    time.tzset()
    return read


@pytest.mark.parametrize("zone", RULES)
def test_times_are_the_reader_s(browser: Browser, zone: str) -> None:
    """Day, time and milliseconds of each moment; the time alone for one of today; labels to the minute."""
    moments = [at for name, at in MOMENTS.items() if (zone, name) not in NO_LONGER_SUMMER]
    today = moments[0]
    body = FRAME.format(
        times="".join(
            TIME.format(at=at.isoformat(), style=style) for style in STYLES for at in moments
        ),
        labels="".join(LABEL.format(ms=round(at.timestamp() * 1000)) for at in moments),
    )
    with browser.new_context(timezone_id=zone) as context:
        page = context.new_page()
        page.clock.set_fixed_time(today)
        page.route(PAGE, lambda route: route.fulfill(body=body, content_type="text/html"))
        page.goto(PAGE)
        page.add_script_tag(path=SCRIPT)
        times = page.locator("time").all_text_contents()
        labels = page.locator("text").all_text_contents()
        assert page.locator(".zone").text_content() == f"Times in {zone}, UTC on hover"
    locals_ = [local(zone, at) for at in moments]
    full = [
        f"{time.strftime('%Y-%m-%d %H:%M:%S', read)}.{at.microsecond // 1000:03d}"
        for read, at in zip(locals_, moments, strict=True)
    ]
    day = locals_[0][:3]
    short = [
        time.strftime("%H:%M:%S" if read[:3] == day else "%m-%d %H:%M:%S", read) for read in locals_
    ]
    assert times == full + short
    assert labels == [
        time.strftime("%H:%M:%S" if read.tm_sec else "%H:%M", read) for read in locals_
    ]
