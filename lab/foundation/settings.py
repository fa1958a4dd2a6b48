"""The lab's settings, from the environment and .env: the workload's and the stack's own."""

from pathlib import Path

from pydantic import Field, SecretStr

from workload.limits import MAX_BIGINT, MAX_SCALE, MAX_SECONDS, MIN_BIGINT, MIN_SCALE
from workload.settings import ROOT, Hours, Settings

__all__ = ["ROOT", "DatadogSettings", "LabSettings"]


class LabSettings(Settings):
    """Settings of the whole lab; read by `LabSettings.load()`, which raises `SettingsError`."""

    postgres_user: str = "postgres"
    postgres_password: SecretStr = SecretStr("YourStrong!Passw0rd")
    credit_owner_password: SecretStr = SecretStr("CreditOwner!Passw0rd")
    datadog_db_password: SecretStr = SecretStr("Datadog!Passw0rd")
    exporter_db_password: SecretStr = SecretStr("Exporter!Passw0rd")
    lab_db_password: SecretStr = SecretStr("CreditLab!Passw0rd")

    exporter_port: int = Field(9187, ge=1, le=65535)
    prometheus_port: int = Field(9091, ge=1, le=65535)
    alertmanager_port: int = Field(9093, ge=1, le=65535)
    alertmanager_config: str = "./prometheus/alertmanager.yml"
    prometheus_retention: str = Field("7d", pattern=r"^\d+[smhdwy]$")
    prometheus_retention_size: str = Field("1GB", pattern=r"^\d+(B|KB|MB|GB|TB)$")

    console_port: int = Field(8088, ge=1, le=65535)
    # Required when bind_address is not loopback: pages and metrics by Bearer, senders by DD-API-KEY.
    lab_console_token: SecretStr | None = None
    # `auto`: an Agent 7 of this machine, else the embedded agent; `embedded`; `check`; or an Agent's program.
    datadog_agent: str = "auto"
    # For `check`: a checkout of Datadog's integrations-core, and its environment's Python (None: this one).
    datadog_check_source: Path | None = None
    datadog_check_python: Path | None = None
    # The embedded agent's own /metrics, or a real Agent's expvar; either sends to the console.
    embedded_agent_port: int = Field(8089, ge=1, le=65535)
    # Seconds between two activity samples of the embedded agent; the Agent's documented default is 10.
    embedded_agent_activity_seconds: int = Field(10, ge=1, le=300)
    # Of a real Agent: its trace intake, and the port for its IPC.
    trace_agent_port: int = Field(8090, ge=1, le=65535)
    agent_cmd_port: int = Field(8091, ge=1, le=65535)
    # Traces per second that a real Agent keeps; its default is 10.
    dd_apm_target_tps: int = Field(200, ge=1, le=1_000_000)
    # The directory of PostgreSQL's JSON log; None: that of the native lab's cluster.
    postgres_log_dir: Path | None = None
    store_max_age_hours: Hours = 24.0
    store_max_bytes: int = Field(2_000_000_000, ge=10_000_000, le=MAX_BIGINT)

    # Whether each service has a host with its own name, as in Docker; else all are at bind_address.
    services_by_name: bool = False
    # Prometheus, as the console reaches it; None: this machine's prometheus_port.
    prometheus_url: str | None = Field(None, pattern=r"^http://[^\s/]+(/\S*)?$")
    # Prometheus' own pages, as a browser reaches them; None: links to an expression open the console's page.
    prometheus_ui_url: str | None = Field(None, pattern=r"^https?://\S+$")
    # Grafana and Datadog, as a browser reaches them, for links; None: no links.
    grafana_url: str | None = Field(None, pattern=r"^https?://\S+$")
    lab_datadog_site: str | None = None

    seed_scale: float = Field(1.0, ge=MIN_SCALE, le=MAX_SCALE)
    seed_random_seed: int = Field(15, ge=MIN_BIGINT, le=MAX_BIGINT)

    # The latest onset of an exam's fault, in seconds after `exam start`; an item has at most 30.
    exam_onset_s: float = Field(30.0, ge=0, le=30)

    startup_timeout_s: int = Field(120, ge=1, le=MAX_SECONDS)
    lab_state_dir: Path = ROOT / ".lab"


class DatadogSettings(Settings):
    """Settings of `datadog push`; separate from LabSettings, so that no component receives the keys."""

    dd_api_key: SecretStr | None = None
    dd_app_key: SecretStr | None = None
    dd_site: str = "datadoghq.com"


def with_account_links(settings: LabSettings) -> LabSettings:
    """Return settings whose links lead to the Datadog site of DD_API_KEY, if it is set.

    Raises:
        SettingsError: naming each malformed variable and what was expected of it.
    """
    datadog = DatadogSettings.load()
    if settings.lab_datadog_site or not datadog.dd_api_key:
        return settings
    return settings.model_copy(update={"lab_datadog_site": datadog.dd_site})
