"""The options and settings of the last `up`, stored while the lab runs, for later commands.

Without them, `status` after `POSTGRES_PORT=5433 ./creditlab up` would connect to port 5432, and a restarted
component would use the load of the first `up`. No secrets are stored.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from lab.foundation import statefile
from lab.foundation.settings import LabSettings
from lab.foundation.statefile import DamagedError
from lab.stack.components import SERVICES
from workload.limits import MAX_LOAD, MAX_SCALE, MIN_SCALE

# The caller's state directory applies, not a stored one.
NOT_STORED = {"lab_state_dir"}


@dataclass(frozen=True, kw_only=True)
class UpOptions:
    """The options of an `up` (None: not given) and the settings that it ran with.

    `prepared` is whether roles, schema and seed were complete in an `up`; false during the first one.
    """

    services: tuple[str, ...] | None = None
    scale: float | None = None
    load: float | None = None
    shop: bool | None = None
    prepared: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject numbers that no `up` accepts."""
        for name, value, least, most in (
            ("load", self.load, 0.0, MAX_LOAD),
            ("scale", self.scale, MIN_SCALE, MAX_SCALE),
        ):
            if value is not None and not least <= value <= most:
                raise ValueError(f"{name} {value!r} is not between {least:g} and {most:g}")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the stored options; None without a file; a damaged file is set aside."""
        try:
            kept = statefile.read(path, cls)
            if kept:
                kept._require_known(path)
        except DamagedError as error:
            lost = "The options of the last `up` are lost; those of .env and the defaults apply."
            statefile.set_aside(path, error.why, lost=lost)
            return None
        return kept

    def _require_known(self, path: Path) -> None:
        if unknown := [name for name in self.services or () if name not in SERVICES]:
            raise DamagedError(path, f"there is no service {unknown[0]!r}")
        try:
            LabSettings.model_validate(self._fields)
        except (ValueError, OverflowError) as error:
            raise DamagedError(path, str(error)) from None

    @property
    def _fields(self) -> dict[str, Any]:
        """The stored settings that this version of the lab knows."""
        return {k: v for k, v in self.settings.items() if k in LabSettings.model_fields}

    def write(self, path: Path) -> None:
        """Store the options."""
        statefile.write_json(path, self)

    def amended(self, other: Self) -> Self:
        """Return these options, overridden by those that the other has."""
        return replace(
            self,
            services=self.services if other.services is None else other.services,
            scale=self.scale if other.scale is None else other.scale,
            load=self.load if other.load is None else other.load,
            shop=self.shop if other.shop is None else other.shop,
        )

    def to_start_again(self, settings: LabSettings) -> Self:
        """Return the options for starting a lab whose processes have ended.

        After a killed supervisor or a reboot all options are kept; after a `down`, only the scale.
        """
        scale = self.left_by_down(settings).scale
        return replace(self, scale=scale, prepared=False, settings={})

    def left_by_down(self, settings: LabSettings) -> Self:
        """Return the options that `down` keeps: the data's scale, unless the settings name one."""
        named = "seed_scale" in settings.model_fields_set
        return type(self)(scale=None if named else self.scale)

    def applied_to(self, settings: LabSettings) -> LabSettings:
        """Return settings with these options."""
        given = {"seed_scale": self.scale, "workload_load": self.load}
        return settings.model_copy(update={k: v for k, v in given.items() if v is not None})

    def running(self, settings: LabSettings) -> LabSettings:
        """Return the settings of the running lab: the stored ones, with the caller's secrets."""
        if not self.settings:
            return self.applied_to(settings)
        kept = LabSettings.model_validate({**secrets(settings), **self._fields})
        return self.applied_to(kept.model_copy(update={"lab_state_dir": settings.lab_state_dir}))

    def differences(self, settings: LabSettings) -> list[str]:
        """Return the names of the variables whose value in the running lab differs from these settings."""
        now = public(self.applied_to(settings))
        return [name.upper() for name, kept in self.settings.items() if now.get(name) != kept]

    def with_settings(self, settings: LabSettings) -> Self:
        """Return these options with the settings of an `up`."""
        return replace(self, settings=public(settings))


def public(settings: LabSettings) -> dict[str, Any]:
    """Return the settings that are not secrets, as JSON values."""
    hidden = NOT_STORED | secrets(settings).keys()
    return settings.model_dump(mode="json", exclude=hidden)


def secrets(settings: LabSettings) -> dict[str, SecretStr]:
    """Return the secret settings."""
    return {name: value for name, value in settings if isinstance(value, SecretStr)}
