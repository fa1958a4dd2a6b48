"""The one place where the workload reads its environment, once, into a frozen object.

A real environment variable wins over `.env`, which wins over the default. Names in the environment are
the field names in capitals (`postgres_port` <- `POSTGRES_PORT`); `.env.example` lists them all.
"""

from enum import StrEnum
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from workload.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
Port = int
Model = TypeVar("Model", bound="Settings")


class Shape(StrEnum):
    """How the arrival rate moves in time; see workload/pacing.py."""

    STEADY = "steady"
    WAVE = "wave"
    BURST = "burst"


class Settings(BaseSettings):
    """Settings of the five services. Rates are operations per second at load 1."""

    model_config = SettingsConfigDict(
        env_file=ROOT / ".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    postgres_host: str = "127.0.0.1"
    postgres_port: int = Field(5432, ge=1, le=65535)
    postgres_db: str = "creditdb"
    credit_app_password: SecretStr = SecretStr("CreditApp!Passw0rd")

    bind_address: str = "127.0.0.1"
    proposals_port: int = Field(8001, ge=1, le=65535)
    underwriting_port: int = Field(8002, ge=1, le=65535)
    customers_port: int = Field(8003, ge=1, le=65535)
    servicing_port: int = Field(8004, ge=1, le=65535)
    risk_port: int = Field(8005, ge=1, le=65535)
    shop_port: int = Field(5000, ge=1, le=65535)

    workload_load: NonNegativeFloat = 1.0
    workload_shape: Shape = Shape.STEADY
    workload_threads: PositiveInt = 4
    # A report keeps a core busy for as long as it takes; one at a time leaves the others to the customers.
    risk_threads: PositiveInt = 1
    # Connections per service; None: as many as threads, so that no operation waits for one.
    workload_pool_size: PositiveInt | None = None
    workload_queue_seconds: PositiveFloat = 10.0
    workload_statement_timeout_ms: PositiveInt = 30_000
    workload_retention_hours: PositiveFloat = 6.0
    workload_random_seed: int | None = None
    # A name with one address for each replica of a service, among which its arrivals are shared out.
    workload_replicas_host: str | None = None

    rate_browse: NonNegativeFloat = 6.0
    rate_submit: NonNegativeFloat = 1.0
    rate_withdraw: NonNegativeFloat = 0.1
    rate_decide: NonNegativeFloat = 1.0
    rate_lookup: NonNegativeFloat = 8.0
    rate_statement: NonNegativeFloat = 3.0
    rate_update_contact: NonNegativeFloat = 0.5
    rate_pay: NonNegativeFloat = 3.0
    rate_mark_overdue: NonNegativeFloat = 0.1
    rate_charge_late_fees: NonNegativeFloat = 0.1
    rate_settle: NonNegativeFloat = 0.1
    rate_archive: NonNegativeFloat = 0.2
    rate_risk_distribution: NonNegativeFloat = 0.01
    rate_product_performance: NonNegativeFloat = 0.002
    rate_delinquency_ageing: NonNegativeFloat = 0.05
    rate_shop_browse: NonNegativeFloat = 1.0
    rate_shop_abandon: NonNegativeFloat = 0.2
    rate_shop_buy: NonNegativeFloat = 0.3
    rate_shop_tidy: NonNegativeFloat = 0.05

    dd_env: str = "lab"
    dd_version: str = "0.1.0"
    dd_trace_enabled: bool = True
    dd_dbm_propagation_mode: str = Field("full", pattern="^(disabled|service|full)$")

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
