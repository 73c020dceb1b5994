"""What a model has to beat: climatology, and the last value. Both are makers of models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from energy_platform.signals.feature_frame import LAST
from energy_platform.signals.recipes import Floats, Prediction


@dataclass(frozen=True, slots=True)
class Climatology:
    """Expects of an hour of the day what it brought in the past.

    Attributes:
        zone: Whose clocks say the hour.
    """

    zone: str
    name: str = "climatology"

    def fitted(
        self, rows: pl.DataFrame, features: Sequence[str], quantiles: Sequence[float]
    ) -> "_Hours":
        """Return the past's quantiles of each hour."""
        del features
        hours = _hour(rows, self.zone)
        value = rows["value"].to_numpy()
        all_day = np.quantile(value, quantiles), (value > 0).mean()
        levels = np.tile(all_day[0], (24, 1))
        chances = np.full(24, all_day[1])
        for hour in np.unique(hours).tolist():
            there = value[hours == hour]
            levels[hour], chances[hour] = np.quantile(there, quantiles), (there > 0).mean()
        return _Hours(self.zone, levels, chances)


@dataclass(frozen=True, slots=True)
class _Hours:
    zone: str
    levels: Floats
    chances: Floats

    def predict(self, rows: pl.DataFrame) -> Prediction:
        """Return what the hours of deliveries brought."""
        hours = _hour(rows, self.zone)
        return Prediction(self.levels[hours], self.chances[hours])


@dataclass(frozen=True, slots=True)
class LastValue:
    """Expects the newest value that is known at the gate."""

    name: str = "last value"

    def fitted(
        self, rows: pl.DataFrame, features: Sequence[str], quantiles: Sequence[float]
    ) -> "_Last":
        """Return it, with the quantiles of the errors that it made in the past."""
        del features
        missed = (rows["value"] - rows[LAST]).to_numpy()
        same = ((rows["value"] > 0) == (rows[LAST] > 0)).mean()
        return _Last(np.quantile(missed, quantiles), float(same))  # type: ignore[arg-type] # of booleans


@dataclass(frozen=True, slots=True)
class _Last:
    offsets: Floats
    same: float
    """How often the direction stayed."""

    def predict(self, rows: pl.DataFrame) -> Prediction:
        """Return the newest known values, and about them the past's errors."""
        last = rows[LAST].to_numpy()
        middle = last[:, None] + self.offsets - np.median(self.offsets)
        # Its word counts, however often it was wrong: a baseline that turns round is a model.
        sure = max(self.same, 0.501)
        return Prediction(middle, np.where(last > 0, sure, 1.0 - sure))


def _hour(rows: pl.DataFrame, zone: str) -> np.typing.NDArray[np.int64]:
    local = rows["delivery_start"].dt.convert_time_zone(zone).dt.hour()
    return local.cast(pl.Int64).to_numpy()
