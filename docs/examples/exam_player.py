"""A player of the exam that has only the MCP server: one call for each open door, one rule for each call.

    ./creditlab exam ablation --items 4 --with log --player ".venv/bin/python docs/examples/exam_player.py"

The experiment starts it once for each exam, with the open doors in EXAM_DOORS. To let a model take the exam,
replace `investigate`: give the model the tools of `client.list_tools()`, and the prompt `take_exam`.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from mcp import Client, StdioServerParameters

SERVICES = {
    "credit-proposals",
    "credit-underwriting",
    "credit-customers",
    "credit-servicing",
    "credit-risk",
}
ATTEMPTS, PAUSE_S = 10, 5
EVENTS = {"deadlock": "deadlocks", "temp_file": "work-mem-spill", "lock_wait": "row-lock-chain"}


async def main() -> None:
    """Take the running exam."""
    doors = os.environ.get("EXAM_DOORS", "all")
    server = StdioServerParameters(
        command="./creditlab", args=["mcp", "--with", doors], env=dict(os.environ)
    )
    async with Client(server) as client:
        status = await call(client, "exam_status")
        if status["state"] != "running":
            sys.stderr.write("No exam is running: ./creditlab exam start\n")
            return
        answer: dict[str, Any] = {"findings": [{"kind": "nothing"}], "confidence": 0.3}
        for _ in range(ATTEMPTS):
            if found := await investigate(client, status["doors"], status["clock_started"]):
                answer = found
                break
            await asyncio.sleep(PAUSE_S)
        result = await call(client, "exam_answer", **answer)
        sys.stderr.write(f"{answer}: {result.get('error') or result['grade']['score']}\n")


async def investigate(client: Client, doors: list[str], since: str) -> dict[str, Any] | None:
    """Return the answer of the first rule that applies; None: look again later."""
    for door, (tool, arguments, rule) in RULES.items():
        if door in doors:
            for row in (await call(client, tool, start=since, **arguments))["rows"]:
                if found := rule(row):
                    return found
    return None


def _event(row: dict[str, Any]) -> dict[str, Any] | None:
    if row.get("application") in SERVICES:
        return None
    return _answer(EVENTS[row["kind"]], row, f"log:{row['at'][:19]}")


def _blocker(row: dict[str, Any]) -> dict[str, Any] | None:
    return _answer("row-lock-chain", row, f"sample:{row['pid']}") if row["root"] else None


def _alert(row: dict[str, Any]) -> dict[str, Any] | None:
    return _answer("service-stopped", row["labels"]) if row["alert"] == "ServiceDown" else None


def _operation(row: dict[str, Any]) -> dict[str, Any] | None:
    return _answer("slow-query", row) if row["service"] not in SERVICES else None


def _answer(kind: str, row: dict[str, Any], *evidence: str) -> dict[str, Any]:
    culprit = row.get("application") or row.get("service") or ""
    finding = {"kind": kind, "object": row.get("statement") or "", "culprit": culprit}
    return {"findings": [finding], "confidence": 0.7, "evidence": [*evidence]}


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Return the answer of a tool; an error is its field `error`, and it has no rows."""
    result = await client.call_tool(tool, arguments)
    text = getattr(result.content[0], "text", "")
    if result.is_error:
        return {"error": text, "rows": []}
    found: dict[str, Any] = json.loads(text)
    return found


RULES: dict[str, tuple[str, dict[str, Any], Callable[[dict[str, Any]], dict[str, Any] | None]]] = {
    "log": ("log_events", {"kinds": [*EVENTS]}, _event),
    "datadog": ("dbm_blocking", {}, _blocker),
    "prometheus": ("prometheus_alerts", {}, _alert),
    "apm": ("apm_operations", {}, _operation),
}

if __name__ == "__main__":
    asyncio.run(main())
