"""Exams against a native lab: proven, sealed, healed, graded; also when processes are killed."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.clients.database import Role, connect, dsn, rows
from lab.drills.catalogue import DRILLS
from lab.exam.items import TEMPLATES
from lab.exam.place import Place, State
from lab.exam.vocabulary import APPLICATIONS
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from tests.fix_lab import Further, Lab

pytestmark = pytest.mark.acceptance

ENDS_WITHIN_S = 120
NUMBER = {template.name: number for number, template in enumerate(TEMPLATES)}
DOUBLE = "row-lock-chain/customers+work-mem-spill/installments"
# Words of the catalogue that the database and its manuals use as well.
GENERIC = {"slow", "cpu", "blocking", "deadlock", "deadlocks"}
NAMES = "|".join(sorted({*DRILLS, *DRILLS.aliases} - GENERIC))
LEAK = re.compile(rf"(?<![\w-])(?:{NAMES})(?![\w-])|(?<![A-Za-z])drill(?![A-Za-z])")
ACTIVITY = "SELECT string_agg(a::text, E'\\n') FROM pg_stat_activity a"
STATEMENTS = "SELECT string_agg(query, E'\\n') FROM pg_stat_statements"
RELATIONS = "SELECT string_agg(relname, E'\\n') FROM pg_class"
# What proves the two faults of DOUBLE; the Agent may explain it, when a sample has it.
PROOFS = """
SELECT count(*) FROM pg_stat_statements
WHERE query NOT LIKE 'EXPLAIN%%' AND (query LIKE %s OR query LIKE %s)"""
PROVING = (
    "%SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()%",
    "%SELECT pid, pg_blocking_pids(pid), application_name = %",
)
OWN = "SELECT count(*) FROM pg_stat_activity WHERE application_name = ANY(%s)"


@pytest.fixture(scope="module")
def further() -> Further:
    return Further(variables={"EXAM_ONSET_S": "0"})


def start(lab: Lab, template: str, *arguments: str) -> str:
    """Start an exam with this template, and return its name."""
    begun = lab.json("exam", "start", "--item", str(NUMBER[template]), "--seed", "15", *arguments)
    assert begun["state"] == "running"
    return str(begun["exam"])


def ask(lab: Lab, sql: str, *parameters: object) -> str:
    with connect(dsn(lab.settings, Role.SUPERUSER)) as connection:
        [[value]] = rows(connection, sql, parameters or None)
    return str(value)


def get(lab: Lab, path: str, port: int | None = None) -> str:
    address = f"http://127.0.0.1:{port or lab.settings.console_port}{path}"
    with urllib.request.urlopen(address, timeout=90) as response:
        return str(response.read().decode())


def reachable(lab: Lab) -> Iterator[tuple[str, str]]:
    """Yield everything that a player can reach, with its place."""
    for name, sql in (("activity", ACTIVITY), ("statements", STATEMENTS), ("relations", RELATIONS)):
        yield name, ask(lab, sql)
    for path in ("/metrics", "/sessions?idle=1", "/queries", "/traces", "/exam/evidence/datadog",
                 "/exam/evidence/log", "/exam/evidence/apm", "/exam/evidence/prometheus", "/", "/alerts",
                 "/map", "/prometheus?expr=ALERTS", "/healthz", "/api/drilldown/queries",
                 "/api/drilldown/sessions", "/jaeger/api/traces?limit=50"):  # fmt: skip
        # Help texts of metrics are the same with and without a fault.
        yield path, re.sub(r"(?m)^# .*$", "", get(lab, path))
    series = urllib.parse.quote('{__name__=~".+"}')
    yield "Prometheus", get(lab, f"/api/v1/series?match[]={series}", lab.settings.prometheus_port)
    with sqlite3.connect(f"file:{lab.state}/store/store.sqlite?mode=ro", uri=True) as store:
        tables = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            yield f"store {table}", repr(store.execute(f"SELECT * FROM {table}").fetchall())
    for folder in ("logs", "exam", "run", "drills", "postgres/data/log"):
        for file in (lab.state / folder).rglob("*"):
            text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
            yield str(file), f"{file.name}\n{text}"
    for port in (lab.settings.embedded_agent_port, lab.settings.exporter_port):
        yield f"metrics of {port}", re.sub(r"(?m)^# .*$", "", get(lab, "/metrics", port))
    for process in psutil.process_iter(["cmdline", "environ"]):
        line = " ".join(process.info["cmdline"] or ())
        if "lab.exam" in line:
            own = (process.info["environ"] or {}).items() - lab.environment.items()
            yield f"process {process.pid}", f"{line}\n{own}"


def head_and_waiting(lab: Lab) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the session with the oldest open transaction that another waits for, and that one."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def nobody() -> str | None:
        sessions = lab.json("sessions")["sessions"]
        found[:] = [
            (head, waiting)
            for head in sessions
            if head["state"] == "idle in transaction"
            for waiting in sessions
            if head["pid"] in waiting["blocked_by"]
        ]
        return None if found else "nobody"

    # Who waits gives up after its lock_timeout, and waits again a moment later.
    await_state("a session waits", nobody, within_s=ENDS_WITHIN_S, every_s=1.0)
    return found[0]


def test_a_sealed_exam_names_no_fault_and_is_graded(lab: Lab, tmp_path: Path) -> None:
    """Two faults, all doors: nothing reachable names them; answered by what the doors showed."""
    exam = start(lab, DOUBLE)
    commitment = lab.json("exam", "status")["commitment"]
    found = dict(reachable(lab))
    leaks = {place: match[0] for place, text in found.items() if (match := LEAK.search(text))}
    assert leaks == {}
    assert len([place for place in found if place.startswith("store")]) > 5
    assert "unless ignoring (alertstate)" in found["/exam/evidence/prometheus"]

    assert ask(lab, PROOFS, *PROVING) == "0", "the statements that prove a fault name it"
    with sqlite3.connect(f"file:{lab.state}/store/store.sqlite?mode=ro", uri=True) as store:
        traced = "SELECT resource FROM spans WHERE parent_id IS NULL AND resource LIKE '%pg~_%' ESCAPE '~'"
        assert store.execute(traced).fetchall() == []

    closed = lab.run("drill", "run", "deadlocks")
    assert closed.returncode == 2
    assert f"closed while exam {exam} is running" in closed.stderr
    second = lab.run("exam", "start")
    assert (second.returncode, f"Exam {exam} is running" in second.stderr) == (2, True)
    wrong = lab.run("exam", "answer", "deadlok")
    assert (wrong.returncode, "did you mean deadlocks" in wrong.stderr) == (2, True)
    head, waiting = head_and_waiting(lab)
    chain = f"{waiting['pid']},{head['pid']}"
    done = lab.run(
        "exam", "answer", "row-lock-chain", "--object", "customers",
        "--culprit", head["application"], "--chain", chain,
        "--also", "work-mem-spill", "--also-object", "installments", "--confidence", "0.9",
        "--evidence", f"sample:{head['pid']}", "--json",
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert result["grade"]["score"] > 0.6
    assert result["verified"].startswith("ok"), result["verified"]
    assert result["log"]["commitment"] == commitment
    assert "sample:" + str(head["pid"]) in result["log"]["requests"][-1]["shown"]
    assert {each["kind"] for each in result["log"]["observed"]} == {
        "row-lock-chain",
        "work-mem-spill",
    }
    again = lab.run("exam", "answer", "burst")
    assert (again.returncode, f"{exam} is over" in again.stderr) == (2, True)
    page = tmp_path / "report.html"
    assert lab.run("exam", "report", exam, "--html", str(page)).returncode == 0
    assert "the revealed item matches the commitment" in page.read_text(encoding="utf-8")
    assert "Second by second" in get(lab, f"/exam/{exam}")
    assert ask(lab, OWN, list(APPLICATIONS)) == "0"


def test_items_of_each_sort_are_proven_healed_and_verified(lab: Lab) -> None:
    """A healthy one, one with an observer without data, and a slow service."""
    chosen = (
        "nothing/vacuum",
        "row-lock-chain/credit_proposals without datadog",
        "slow-application/credit-customers",
    )
    numbers = ",".join(str(NUMBER[name]) for name in chosen)
    done = lab.run("exam", "check", "--items", numbers, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, (found, done.stderr)
    assert [each["template"] for each in found] == list(chosen)


def test_an_mcp_client_takes_the_exams_of_an_experiment(lab: Lab, tmp_path: Path) -> None:
    """The example of docs/, as a command line: it finds the deadlocks in the log, and submits the form."""
    page = tmp_path / "experiment.html"
    done = lab.run(
        "exam", "ablation", "--items", f"{NUMBER['deadlocks/customers']},", "--with", "log",
        "--player", f"{sys.executable} -P {ROOT}/docs/examples/exam_player.py",
        "--html", str(page), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [trial] = json.loads(done.stdout)["trials"]
    assert (trial["doors"], trial["answered"]) == (["log"], ["deadlocks"]), done.stderr
    assert trial["solved"], trial
    assert trial["requests"] > 0
    assert trial["score"] > 0.6
    assert "deadlocks/customers" in page.read_text(encoding="utf-8")
    wrong = lab.run("exam", "ablation", "--player", "no-such-program")
    assert (wrong.returncode, "no such player" in wrong.stderr) == (2, True)


def _over(lab: Lab, exam: str) -> str | None:
    record = Place(lab.settings).current()
    if record is not None and record.exam == exam and record.state is State.OVER:
        return None
    return f"the record is {record}"


def test_a_killed_exam_process_is_healed_by_its_guardian_and_void(lab: Lab) -> None:
    """PostgreSQL is restarted by the player before: the lab is restored nevertheless."""
    exam = start(lab, "idle-in-transaction/customers", "--with", "log")
    closed = lab.run("restart")
    assert (closed.returncode, "restart is closed" in closed.stderr) == (2, True)
    record = Place(lab.settings).current()
    assert record is not None
    os.kill(lab.pid("postgres"), signal.SIGKILL)
    os.kill(record.pid, signal.SIGKILL)
    await_state("the exam is void", partial(_over, lab, exam), within_s=ENDS_WITHIN_S)
    late = lab.run("exam", "report", exam, "--json")
    result = json.loads(late.stdout)
    assert result["grade"]["score"] is None
    assert "killed" in result["log"]["void"]
    assert ask(lab, OWN, list(APPLICATIONS)) == "0"


def test_an_exam_whose_processes_were_all_killed_is_healed_by_the_next_command(lab: Lab) -> None:
    exam = start(lab, "missing-index/credit_proposals_customer")
    record = Place(lab.settings).current()
    assert record is not None
    guardian = psutil.Process(record.pid).parent()
    assert guardian is not None
    for process in (guardian, psutil.Process(record.pid)):
        process.kill()
    index = "SELECT count(*) FROM pg_indexes WHERE indexname = 'credit_proposals_customer'"
    assert ask(lab, index) == "0"
    verified = lab.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert ask(lab, index) == "1"
    assert _over(lab, exam) is None


def test_ctrl_c_while_an_exam_is_prepared_ends_it(lab: Lab) -> None:
    before = Place(lab.settings).current()
    process = subprocess.Popen(
        [str(ROOT / "creditlab"), "exam", "start", "--item", str(NUMBER[DOUBLE])],
        env=lab.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def begun() -> str | None:
        record = Place(lab.settings).current()
        return None if record != before else "no new record"

    await_state("the exam has begun", begun, within_s=ENDS_WITHIN_S)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == -signal.SIGINT
    record = Place(lab.settings).current()
    assert record is not None
    await_state("it is over", partial(_over, lab, record.exam), within_s=ENDS_WITHIN_S)
    assert ask(lab, OWN, list(APPLICATIONS)) == "0"
