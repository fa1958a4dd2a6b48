"""datadog/entrypoint.sh, run by a real shell: what it decides, and what it refuses."""

import json
import subprocess

import pytest

from lab.foundation.settings import ROOT

KEY = "0123456789abcdef0123456789abcdef"
FAKE = "0" * 32


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the entrypoint with `env` in the place of the Agent."""
    return subprocess.run(
        ["/bin/sh", ROOT / "datadog/entrypoint.sh", "/usr/bin/env"],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def decided(reported: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert reported.returncode == 0, reported.stderr
    return dict(
        line.split("=", 1) for line in reported.stdout.splitlines() if line.startswith("DD_")
    )


def test_without_a_key_no_endpoint_leaves_the_container() -> None:
    reported = start(DD_API_KEY="", DD_SITE="datadoghq.com", DD_LOGS_ENABLED="true")
    settings = decided(reported)
    urls = {value for name, value in settings.items() if name.endswith("_URL")}
    assert urls == {"http://127.0.0.1:8088"}
    assert settings["DD_SITE"].endswith(".invalid")
    assert settings["DD_API_KEY"] == FAKE
    assert settings["DD_LOGS_ENABLED"] == "false"
    assert "LOCAL MODE" in reported.stdout


def test_without_a_key_the_labs_intake_gets_everything() -> None:
    reported = start(LAB_INTAKE="console:8088", LAB_CONSOLE_TOKEN="a-token")
    settings = decided(reported)
    streams = [
        settings[f"DD_DATABASE_MONITORING_{x}_LOGS_DD_URL"]
        for x in ("SAMPLES", "METRICS", "ACTIVITY")
    ]
    assert {settings["DD_DD_URL"], settings["DD_APM_DD_URL"], *streams} == {"http://console:8088"}
    assert settings["DD_API_KEY"] == "a-token"


def test_with_a_key_the_agent_is_left_as_datadog_documents_it() -> None:
    reported = start(DD_API_KEY=KEY, DD_SITE="datadoghq.eu", DD_LOGS_ENABLED="true")
    assert decided(reported) == {
        "DD_API_KEY": KEY,
        "DD_SITE": "datadoghq.eu",
        "DD_LOGS_ENABLED": "true",
    }
    assert "ACCOUNT MODE: sending to datadoghq.eu." in reported.stdout
    assert KEY not in reported.stdout.partition("\n")[0]


def test_with_a_key_the_labs_intake_gets_a_copy_that_may_fail() -> None:
    settings = decided(start(DD_API_KEY=KEY, LAB_INTAKE="console:8088"))
    assert settings["DD_SITE"] == "datadoghq.com"
    assert json.loads(settings["DD_ADDITIONAL_ENDPOINTS"]) == {"http://console:8088": [FAKE]}
    assert json.loads(settings["DD_APM_ADDITIONAL_ENDPOINTS"]) == {"http://console:8088": [FAKE]}
    for stream in ("SAMPLES", "METRICS", "ACTIVITY"):
        [endpoint] = json.loads(settings[f"DD_DATABASE_MONITORING_{stream}_ADDITIONAL_ENDPOINTS"])
        assert (endpoint["Host"], endpoint["Port"]) == ("console", 8088)
        assert endpoint["is_reliable"] is False
    assert "DD_DD_URL" not in settings


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"DD_API_KEY": "abc"}, "it has 3 characters"),
        ({"DD_API_KEY": KEY[:-1]}, "it has 31 characters"),
        ({"DD_API_KEY": KEY[:-1] + "g"}, "32 of 0-9 and a-f"),
        ({"DD_API_KEY": f"{KEY} "}, "it has 33 characters"),
        ({"DD_API_KEY": KEY + "01234567"}, "not Application Keys"),
        ({"DD_API_KEY": KEY, "DD_SITE": "https://app.datadoghq.com"}, "the bare site"),
        ({"DD_API_KEY": KEY, "DD_SITE": "app.datadoghq.com"}, "the bare site"),
        ({"LAB_INTAKE": "http://console:8088"}, "must be HOST:PORT"),
        ({"LAB_INTAKE": "console"}, "must be HOST:PORT"),
        ({"LAB_INTAKE": "console:"}, "must be HOST:PORT"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value),
)
def test_a_malformed_setting_stops_the_agent_with_the_way_out(
    environment: dict[str, str], complaint: str
) -> None:
    """Exit status 78, the message on standard error, and never the key itself."""
    reported = start(**environment)
    assert reported.returncode == 78
    assert complaint in reported.stderr
    assert (
        environment.get("DD_API_KEY", "no key") not in reported.stderr
        or len(environment["DD_API_KEY"]) < 8
    )
