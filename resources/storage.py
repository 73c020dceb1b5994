"""Dagster's storages, wherever the settings say that the state is; `dagster.yaml` names these.

Each class only chooses: SQLite files below the home (`sqlite_storage`), or the tables of a Postgres
(`postgres_storage`). `dagster.yaml` itself can't choose.
"""

from collections.abc import Mapping
from typing import Any

from dagster import StringSource
from dagster._config import UserConfigSchema
from dagster._core.storage.event_log import EventLogStorage
from dagster._core.storage.runs import RunStorage
from dagster._core.storage.schedules import ScheduleStorage
from dagster._serdes import ConfigurableClassData

from energy_platform.settings import settings
from resources.postgres_storage import (
    PooledEventLogStorage,
    PooledRunStorage,
    PooledScheduleStorage,
)
from resources.sqlite_storage import OpenEventLogStorage, OpenRunStorage, OpenScheduleStorage

_Data = ConfigurableClassData | None
_Config = Mapping[str, Any]


def _config() -> UserConfigSchema:
    return {"base_dir": StringSource}


class StateEventLogStorage(EventLogStorage):
    """Chooses the storage of all runs' events."""

    config_type = staticmethod(_config)

    @classmethod
    def from_config_value(cls, inst_data: _Data, config_value: _Config) -> EventLogStorage:
        """Open the storage."""
        if (url := settings().state_url) is not None:
            return PooledEventLogStorage(url.get_secret_value(), inst_data)
        return OpenEventLogStorage(config_value["base_dir"], inst_data)


class StateRunStorage(RunStorage):
    """Chooses the storage of runs."""

    config_type = staticmethod(_config)

    @classmethod
    def from_config_value(cls, inst_data: _Data, config_value: _Config) -> RunStorage:
        """Open the storage."""
        if (url := settings().state_url) is not None:
            return PooledRunStorage(url.get_secret_value(), inst_data)
        return OpenRunStorage.from_config_value(inst_data, config_value)


class StateScheduleStorage(ScheduleStorage):
    """Chooses the storage of sensors, schedules and ticks."""

    config_type = staticmethod(_config)

    @classmethod
    def from_config_value(cls, inst_data: _Data, config_value: _Config) -> ScheduleStorage:
        """Open the storage."""
        if (url := settings().state_url) is not None:
            return PooledScheduleStorage(url.get_secret_value(), inst_data)
        return OpenScheduleStorage.from_config_value(inst_data, config_value)
