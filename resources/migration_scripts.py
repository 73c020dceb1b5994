"""Dagster's migration scripts, read once per process.

Dagster opens its instance again for each sensor tick and each run, and with it three storages. Each
storage asks alembic which migration is the newest, and alembic then imports all of them: three
quarters of what a tick costs.
"""

from typing import ClassVar

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage import sql


class _RememberedScripts(ScriptDirectory):
    """A folder of migration scripts that is read once."""

    _read: ClassVar[dict[str | None, ScriptDirectory]] = {}

    @classmethod
    def from_config(cls, config: Config) -> ScriptDirectory:
        """Return the scripts of the folder that a configuration names."""
        place = config.get_main_option("script_location")
        if place not in cls._read:
            cls._read[place] = ScriptDirectory.from_config(config)
        return cls._read[place]


def remember() -> None:
    """Let Dagster's storages use scripts that are read once."""
    sql.ScriptDirectory = _RememberedScripts  # type: ignore[attr-defined]
