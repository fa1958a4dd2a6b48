"""What the last `up` was asked for: kept while the lab runs, so that later commands speak to that lab.

Without it, `POSTGRES_PORT=5433 ./creditlab up` would be followed by a `status` that looks at 5432, and
a component that is restarted would fall back to the load of the first `up`. No secrets are kept.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from lab.errors import LabError
from lab.paths import Paths
from lab.settings import LabSettings
from workload.limits import MAX_LOAD, MAX_SCALE, MIN_SCALE

# Where the state lives is decided by who asks, not by what was found there.
NOT_KEPT = {"lab_state_dir"}


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The options of an `up` (None: not given) and the settings that it ran with.

    `prepared` says that an `up` has seen roles, schema and seed complete: false while the first one is at it.
    """

    services: tuple[str, ...] | None = None
    scale: float | None = None
    load: float | None = None
    shop: bool | None = None
    prepared: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse numbers that no `up` accepts, wherever they come from."""
        for name, value, least, most in (
            ("load", self.load, 0.0, MAX_LOAD),
            ("scale", self.scale, MIN_SCALE, MAX_SCALE),
        ):
            if value is not None and not least <= value <= most:
                raise ValueError(f"{name} {value!r} is not between {least:g} and {most:g}")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what is remembered; None when no lab is.

        Raises:
            LabError: when the file was damaged.
        """
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            services = kept.pop("services")
            return cls(services=None if services is None else tuple(services), **kept)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise LabError(
                f"{path} is damaged ({error}). Remove it, and run `./creditlab up`."
            ) from None

    def write(self, path: Path) -> None:
        """Remember this."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)

    def amended(self, other: Self) -> Self:
        """Return this with the options that the other one gives."""
        return replace(
            self,
            services=self.services if other.services is None else other.services,
            scale=self.scale if other.scale is None else other.scale,
            load=self.load if other.load is None else other.load,
            shop=self.shop if other.shop is None else other.shop,
        )

    def to_start_again(self, settings: LabSettings) -> Self:
        """Return the options of a lab whose processes are gone; a `down` leaves only the scale.

        A killed supervisor or a reboot asks for nothing new: services, load and shop stay as they were.
        """
        scale = self.left_by_down(settings).scale
        return replace(self, scale=scale, prepared=False, settings={})

    def left_by_down(self, settings: LabSettings) -> Self:
        """Return what `down` leaves: data keep their scale, unless the settings name one."""
        named = "seed_scale" in settings.model_fields_set
        return type(self)(scale=None if named else self.scale)

    def options_on(self, settings: LabSettings) -> LabSettings:
        """Return settings with the options of this `up`."""
        given = {"seed_scale": self.scale, "workload_load": self.load}
        return settings.model_copy(update={k: v for k, v in given.items() if v is not None})

    def running(self, settings: LabSettings) -> LabSettings:
        """Return the settings of the lab that runs: the remembered ones, with the caller's secrets."""
        if not self.settings:
            return self.options_on(settings)
        fields = {k: v for k, v in self.settings.items() if k in LabSettings.model_fields}
        kept = LabSettings.model_validate({**secrets(settings), **fields})
        return self.options_on(kept.model_copy(update={"lab_state_dir": settings.lab_state_dir}))

    def differences(self, settings: LabSettings) -> list[str]:
        """Return the variables that the running lab does not have the way these settings say."""
        now = public(self.options_on(settings))
        return [name.upper() for name, kept in self.settings.items() if now.get(name) != kept]

    def with_settings(self, settings: LabSettings) -> Self:
        """Return this with the settings that an `up` runs with."""
        return replace(self, settings=public(settings))


def public(settings: LabSettings) -> dict[str, Any]:
    """Return the settings that are no secrets, as JSON knows them."""
    hidden = NOT_KEPT | secrets(settings).keys()
    return settings.model_dump(mode="json", exclude=hidden)


def secrets(settings: LabSettings) -> dict[str, SecretStr]:
    """Return the settings that are secrets."""
    return {name: value for name, value in settings if isinstance(value, SecretStr)}


def running_settings(settings: LabSettings) -> LabSettings:
    """Return the settings of the lab that runs here, or the given ones when none does."""
    memory = Memory.read(Paths.of(settings).memory)
    return memory.running(settings) if memory else settings
