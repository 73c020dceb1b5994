"""Every setting of the platform, read from the environment in this one place.

Secrets are read from the environment by name at the moment they are used, and are kept out of
this object, so that printing it can't leak one.
"""

import json
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from energy_platform.errors import UsageError


class Markets(StrEnum):
    """Where data comes from."""

    SIMULATED = "simulated"
    LIVE = "live"


def _from_json(value: object) -> object:
    """Read a variable's text here, where a text that is no JSON is an error like any other."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise PydanticCustomError("json", "Input should be a JSON object") from None


class Settings(BaseSettings):
    """The platform's settings; `ENERGY_PLATFORM_` and the field's name is the variable.

    Attributes:
        home: The one folder that holds all state.
        markets: The simulator, or the real markets.
        landing: Where raw messages land: a folder or `gs://bucket/prefix`; `home/landing` if unset.
        broker_url: Address of the Celery broker.
        market_clock: The file that a simulated market keeps its clock in, if it is one.
        addresses: Addresses (URL prefixes) and what to reach, or listen on, instead, as a JSON
            object; in a simulated market also variables and what they stand for.
        ca_file: Certificates that feeds trust beside the system's, e.g. of a company's proxy.
        linger_seconds: How long the collector gathers messages before it writes a segment.
        batch_messages: How many messages one micro-batch takes at most.
        hot_days: How many days of points the hot store keeps.
        alert_urls: Where alerts go: Apprise addresses, parted by commas or blanks; never printed.
        alert_quarantine_percent: Which part of an hour's rows in quarantine is too much.
        alert_quarantine_rows: How many it has to be at least.
        alert_reminder_hours: After how long an incident that goes on is told again.
        log_level: What the processes log.
    """

    model_config = SettingsConfigDict(env_prefix="ENERGY_PLATFORM_", frozen=True)

    home: Path = Path(".energy_platform")
    markets: Markets = Markets.SIMULATED
    landing: str | None = None
    broker_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)  # may hold a password
    market_clock: Path | None = None
    addresses: Annotated[dict[str, str], NoDecode, BeforeValidator(_from_json)] = Field(
        default_factory=dict
    )
    ca_file: Path | None = None
    linger_seconds: float = Field(default=0.2, ge=0, le=60)
    batch_messages: int = Field(default=20_000, ge=1)
    hot_days: int = Field(default=14, ge=1)
    alert_urls: SecretStr = SecretStr("")
    alert_quarantine_percent: float = Field(default=5.0, ge=0, le=100)
    alert_quarantine_rows: int = Field(default=20, ge=1)
    alert_reminder_hours: float = Field(default=4.0, gt=0, le=24 * 7)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def landing_url(self) -> str:
        """The landing zone's address: a URL that object stores understand."""
        if self.landing is not None and "://" in self.landing:
            return self.landing
        folder = Path(self.landing) if self.landing is not None else self.home / "landing"
        return folder.absolute().as_uri()


@cache
def settings() -> Settings:
    """Return the settings of this process, read once.

    Raises:
        UsageError: A variable has a value that can't be used; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field, *within = first["loc"]
        words = [f"ENERGY_PLATFORM_{field}".upper(), *(str(part) for part in within), first["msg"]]
        raise UsageError(": ".join(words)) from None
