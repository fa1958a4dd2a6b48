"""The end of a benchmark: no process that it has started is left running, whatever the process does."""

import signal
import subprocess
import sys

from lab.bench.load.ending import end_all

IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
OBEYS = "import signal; print(flush=True); signal.pause()"


def test_a_process_that_ignores_sigterm_is_killed_and_the_others_end() -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        for program in (IGNORES, OBEYS)
    ]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
    end_all(started, within_s=0.2)
    # The second may take longer than that to end on a busy machine; then it is killed, too.
    assert started[0].returncode == -signal.SIGKILL
    assert started[1].returncode in {-signal.SIGTERM, -signal.SIGKILL}
    for process in started:
        process.communicate()
