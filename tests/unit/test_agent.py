"""An installed Datadog Agent in native mode: found, configured and started, up to its own programs."""

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT, LabSettings
from lab.stack import agent
from lab.stack.components import COMPONENTS, SERVICES, selection
from lab.stack.native.commands import COMMANDS, Command, Launch
from lab.stack.prometheus_configuration import write_targets
from tests.fix_postgres import settings_for
from tests.standins import installed_agent

KEY = "0123456789abcdef0123456789abcdef"
CONTAINER = yaml.safe_load((ROOT / "datadog/conf.d/postgres.d/conf.yaml").read_text())


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return installed_agent.install(tmp_path / "opt")


@pytest.fixture
def settings(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("DD_API_KEY", "")
    state = tmp_path / "the lab"
    state.mkdir()
    update = {
        "lab_state_dir": state,
        "datadog_agent": str(program),
        "lab_console_token": SecretStr("a-token"),
        "postgres_port": 25432,
        "risk_port": 28005,
        "console_port": 28088,
    }
    return settings_for(port=5432, database="creditdb").model_copy(update=update)


def command(settings: LabSettings, component: str = "datadog") -> Command:
    return COMMANDS[component](Launch(settings=settings, services=SERVICES))


def written(settings: LabSettings, name: str) -> Any:
    return yaml.safe_load((settings.lab_state_dir / "datadog" / name).read_text())


def decided(started: Command) -> dict[str, str]:
    """Return the environment that the entrypoint gives the Agent's program: it is run with `env`."""
    reported = subprocess.run(
        [*started.argv[:2], "/usr/bin/env"],
        env=started.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(
        line.split("=", 1) for line in reported.stdout.splitlines() if line.startswith("DD_")
    )


def test_an_agent_is_found_on_path(
    settings: LabSettings, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the link that its packages make there; with `embedded` nobody looks."""
    link = tmp_path / "bin" / "datadog-agent"
    link.parent.mkdir()
    link.symlink_to(program)
    monkeypatch.setenv("PATH", f"{link.parent}:/usr/bin:/bin")
    auto = agent.chosen(settings.model_copy(update={"datadog_agent": "auto"}))
    assert auto.datadog_agent == str(program)
    assert agent.chosen(auto.model_copy(update={"datadog_agent": "embedded"})) != auto


def test_an_agent_that_is_no_agent_7_is_passed_over_or_refused(
    settings: LabSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found, it is left alone; named in the settings, it is an error with the way out."""
    old = tmp_path / "bin" / "datadog-agent"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'Agent 6.53.0 - Commit: 0123abc'\n")
    old.chmod(0o700)
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    monkeypatch.setattr(agent, "INSTALLED", tmp_path / "none")
    assert agent.chosen(settings.model_copy(update={"datadog_agent": "auto"})).datadog_agent == (
        "embedded"
    )
    for named in (old, tmp_path / "none"):
        with pytest.raises(LabError, match="Set DATADOG_AGENT"):
            agent.chosen(settings.model_copy(update={"datadog_agent": str(named)}))


def test_its_command_line_and_version(settings: LabSettings, program: Path) -> None:
    """The entrypoint becomes the program, which gets its own directory; the version is what it says."""
    directory = settings.lab_state_dir / "datadog"
    main, traces = command(settings), command(settings, "trace_agent")
    shell = ("/bin/sh", str(ROOT / "datadog/entrypoint.sh"))
    assert main.argv == (*shell, str(program), "run", "--cfgpath", str(directory))
    assert traces.argv[2:] == (
        str(program.parents[2] / "embedded/bin/trace-agent"),
        "run",
        "--config",
        str(directory / "datadog.yaml"),
    )
    assert main.version == (
        "7.85.4 (Datadog Agent of this machine, local mode, to the console only)"
    )


def test_the_check_is_the_containers_but_for_addresses(settings: LabSettings) -> None:
    """Same options, this machine's port and log; every variable it names is given to the Agent."""
    started = command(settings)
    postgres = written(settings, "conf.d/postgres.d/conf.yaml")
    log = settings.lab_state_dir / "postgres/data/log/postgresql-*.log"
    assert postgres["instances"][0]["port"] == 25432
    assert postgres["logs"][0]["path"] == str(log)
    postgres["instances"][0]["port"] = CONTAINER["instances"][0]["port"]
    postgres["logs"][0]["path"] = CONTAINER["logs"][0]["path"]
    assert postgres == CONTAINER
    wanted = set(re.findall(r"%%env_(\w+)%%", json.dumps(postgres)))
    assert wanted <= set(started.environment)
    services = written(settings, "conf.d/openmetrics.d/conf.yaml")["instances"]
    assert [i["openmetrics_endpoint"] for i in services] == [
        f"http://127.0.0.1:{getattr(settings, f'{name}_port')}/metrics" for name in SERVICES
    ]


def test_nothing_of_the_machines_own_agent_is_touched(settings: LabSettings) -> None:
    """Every path is below the lab's state, every port is the lab's, and nothing of the host is read."""
    command(settings)
    main = written(settings, "datadog.yaml")
    paths = [main[k] for k in ("confd_path", "additional_checksd", "run_path")]
    for path in [*paths, main["auth_token_file_path"]]:
        assert Path(path).is_relative_to(settings.lab_state_dir)
    apm = main["apm_config"]
    ports = [main["expvar_port"], main["cmd_port"], apm["receiver_port"]]
    assert ports == [
        settings.embedded_agent_port,
        settings.agent_cmd_port,
        settings.trace_agent_port,
    ]
    # 5000 to 5012, 8125 and 8126 are the Agent's defaults.
    assert not {5000, 5001, 5012, 8125, 8126} & set(ports)
    assert (apm["receiver_socket"], apm["debug"]["port"], main["use_dogstatsd"]) == ("", 0, False)
    assert main["cloud_provider_metadata"] == []
    assert decided(command(settings))["DD_CONFD_PATH"] == main["confd_path"]


def test_no_secret_is_in_a_file(settings: LabSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Agent gets the key, the token and its own role's password by its environment, no other's."""
    monkeypatch.setenv("DD_API_KEY", KEY)
    started = command(settings)
    directory = settings.lab_state_dir / "datadog"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    texts = [file.read_text() for file in directory.rglob("*") if file.is_file()]
    secrets = {n: v.get_secret_value() for n, v in settings if isinstance(v, SecretStr)}
    for secret in [KEY, *secrets.values()]:
        assert not [text for text in texts if secret in text]
        assert secret not in " ".join(started.argv)
    given = {name for name in secrets if name.upper() in started.environment}
    assert given == {"datadog_db_password", "lab_console_token"}


def test_without_a_key_everything_goes_to_the_console(settings: LabSettings) -> None:
    """Local mode, as in the container: no endpoint is left that leads elsewhere."""
    environment = decided(command(settings))
    urls = {value for name, value in environment.items() if name.endswith("_URL")}
    assert urls == {"http://127.0.0.1:28088"}
    assert (environment["DD_SITE"], environment["DD_API_KEY"]) == ("local.invalid", "a-token")


def test_with_a_key_the_console_gets_a_copy(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Account mode, and the status says whose."""
    monkeypatch.setenv("DD_API_KEY", KEY)
    monkeypatch.setenv("DD_SITE", "datadoghq.eu")
    started = command(settings)
    environment = decided(started)
    assert (environment["DD_API_KEY"], environment["DD_SITE"]) == (KEY, "datadoghq.eu")
    assert json.loads(environment["DD_ADDITIONAL_ENDPOINTS"]) == {
        "http://127.0.0.1:28088": ["a-token"]
    }
    assert "account mode, to datadoghq.eu and the console" in started.version


def test_spans_go_to_the_trace_agent_where_there_is_one(
    settings: LabSettings, program: Path
) -> None:
    """Without its program they go to the console, and the lab has no such component."""
    found = agent.Agent.of(settings)
    assert COMPONENTS["trace_agent"] in selection(None, found)
    url = command(settings, "risk").environment["DD_TRACE_AGENT_URL"]
    assert url == f"http://127.0.0.1:{settings.trace_agent_port}"
    (program.parents[2] / "embedded/bin/trace-agent").unlink()
    assert COMPONENTS["trace_agent"] not in selection(None, found)
    url = command(settings, "risk").environment["DD_TRACE_AGENT_URL"]
    assert url == "http://127.0.0.1:28088"


def test_prometheus_does_not_look_for_the_embedded_agents_metrics(
    settings: LabSettings, tmp_path: Path
) -> None:
    """A target that a real Agent does not have would look like a component that died."""
    write_targets(tmp_path, settings, {})
    targets = json.loads((tmp_path / "targets/lab.json").read_text())
    assert [target["labels"]["component"] for target in targets] == ["console"]


@pytest.mark.parametrize(
    ("named", "with_agent", "embedded"),
    [(None, "datadoghq.eu", None), ("us3.datadoghq.com", "us3.datadoghq.com", "us3.datadoghq.com")],
)
def test_links_lead_to_the_account_only_when_an_agent_sends_to_it(
    settings: LabSettings,
    monkeypatch: pytest.MonkeyPatch,
    named: str | None,
    with_agent: str | None,
    embedded: str | None,
) -> None:
    """A key alone brings nothing into the account: the embedded agent does not use it."""
    monkeypatch.setenv("DD_API_KEY", KEY)
    monkeypatch.setenv("DD_SITE", "datadoghq.eu")
    settings = settings.model_copy(update={"lab_datadog_site": named})
    without = settings.model_copy(update={"datadog_agent": agent.EMBEDDED})
    assert agent.chosen(settings).lab_datadog_site == with_agent
    assert agent.chosen(without).lab_datadog_site == embedded


def test_a_process_of_the_lab_derives_no_links_from_a_key_in_env(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The console reads `.env`, too: only what `up` passes on counts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DD_API_KEY", KEY)
    assert LabSettings.load().lab_datadog_site is None
