"""The one place where the workload reads its environment, once, into a frozen object.

An environment variable overrides `.env`, which overrides the default. Names in the environment are
the field names in capitals (`postgres_port` <- `POSTGRES_PORT`); `.env.example` lists them all.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from workload import __version__
from workload.errors import SettingsError
from workload.limits import (
    MAX_ARRIVALS_PER_S,
    MAX_HOURS,
    MAX_LOAD,
    MAX_MILLISECONDS,
    MAX_SECONDS,
    MAX_THREADS,
)

ROOT = Path(__file__).resolve().parent.parent
# Operations per second at load 1.
Rate: TypeAlias = Annotated[float, Field(ge=0, le=MAX_ARRIVALS_PER_S)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
Hours: TypeAlias = Annotated[float, Field(gt=0, le=MAX_HOURS)]
Threads: TypeAlias = Annotated[int, Field(ge=1, le=MAX_THREADS)]
Model = TypeVar("Model", bound="Settings")


class Shape(StrEnum):
    """The shape of the arrival rate over time; see workload/pacing.py."""

    STEADY = "steady"
    WAVE = "wave"
    BURST = "burst"


class Settings(BaseModel):
    """Settings of the five services. Rates are operations per second at load 1."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        validate_default=True,
        # A class is compiled when it is first read; one process reads one or two of them.
        defer_build=True,
    )

    env_file: ClassVar[Path | None] = ROOT / ".env"

    postgres_host: str = "127.0.0.1"
    postgres_port: int = Field(5432, ge=1, le=65535)
    postgres_db: str = "creditdb"
    credit_app_password: SecretStr = SecretStr("CreditApp!Passw0rd")

    bind_address: str = "127.0.0.1"
    # Accepted host names of a process besides localhost and its own, separated by commas.
    allowed_hosts: str = Field("", pattern=r"^[A-Za-z0-9._, -]*$", max_length=2000)
    # Required by the control endpoints when bind_address is not loopback.
    lab_control_token: SecretStr | None = None
    proposals_port: int = Field(8001, ge=1, le=65535)
    underwriting_port: int = Field(8002, ge=1, le=65535)
    customers_port: int = Field(8003, ge=1, le=65535)
    servicing_port: int = Field(8004, ge=1, le=65535)
    risk_port: int = Field(8005, ge=1, le=65535)
    shop_port: int = Field(5000, ge=1, le=65535)

    workload_load: float = Field(1.0, ge=0, le=MAX_LOAD)
    workload_shape: Shape = Shape.STEADY
    workload_threads: Threads = 4
    # A report uses a core; one at a time leaves the other cores to the other services.
    risk_threads: Threads = 1
    # Connections per service; None: as many as threads, so that no operation waits for one.
    workload_pool_size: Threads | None = None
    # An operation that waits longer for a connection of the pool fails with PoolTimeoutError.
    workload_pool_timeout_seconds: Seconds = 10.0
    workload_queue_seconds: Seconds = 10.0
    workload_statement_timeout_ms: int = Field(30_000, ge=1, le=MAX_MILLISECONDS)
    workload_retention_hours: Hours = 6.0
    workload_random_seed: int | None = None
    # A host name with one address for each replica of a service; the replicas share the arrivals.
    workload_replicas_host: str | None = None

    rate_browse: Rate = 6.0
    rate_submit: Rate = 1.0
    rate_withdraw: Rate = 0.1
    rate_decide: Rate = 1.0
    rate_lookup: Rate = 8.0
    rate_statement: Rate = 3.0
    rate_update_contact: Rate = 0.5
    rate_pay: Rate = 3.0
    rate_mark_overdue: Rate = 0.1
    rate_charge_late_fees: Rate = 0.1
    rate_settle: Rate = 0.1
    rate_archive: Rate = 0.2
    rate_risk_distribution: Rate = 0.01
    rate_product_performance: Rate = 0.002
    rate_delinquency_ageing: Rate = 0.05
    rate_shop_browse: Rate = 1.0
    rate_shop_abandon: Rate = 0.2
    rate_shop_buy: Rate = 0.3
    rate_shop_tidy: Rate = 0.05

    dd_env: str = "lab"
    dd_version: str = __version__
    dd_trace_enabled: bool = True
    dd_dbm_propagation_mode: str = Field("full", pattern="^(disabled|service|full)$")

    def __init__(self, **values: Any) -> None:
        """Read the environment and the file, and override them with values given by name.

        An empty variable counts as absent. `_env_file` is another file than `.env`, or None for no file.
        """
        own = type(self)
        file = values.pop("_env_file", own.env_file)
        found = _named(dotenv_values(file) if file else {}) | _named(os.environ)
        super().__init__(
            **{name: found[name] for name in own.model_fields if name in found} | values
        )

    @classmethod
    def load(cls) -> Self:
        """Read the environment and `.env`.

        Raises:
            SettingsError: naming each malformed variable and what was expected of it.
        """
        try:
            return cls()
        except ValidationError as error:
            lines = [
                f"{str(e['loc'][0]).upper()}: {e['msg'][0].lower()}{e['msg'][1:]}"
                for e in error.errors()
            ]
            way_out = f"Correct it in the environment or in {ROOT / '.env'}."
            raise SettingsError("\n".join([*lines, way_out])) from None


def _named(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return the variables that have a value, by the names of their fields."""
    return {name.lower(): value for name, value in variables.items() if value}
