"""Which file of the Met Office's global model is published when: a pure function of time.

Four runs a day, two of them long; of each run a file per step and parameter. The real ones appear
in bursts some hours after the run; here they are spread evenly over six hours.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

PARAMETERS: Final = (
    *("wind_speed_at_10m", "wind_direction_at_10m", "wind_gust_at_10m"),
    *("temperature_at_screen_level", "radiation_flux_in_shortwave_total_downward_at_surface"),
)
STEP_OF_A_BAD_ROW: Final = 55
STEP_OF_GARBAGE: Final = 56
"""Steps that no run has, for files with flaws, which stand in the way of none."""

_RUN_EVERY: Final = timedelta(hours=6)
_BEGINS_AFTER: Final = timedelta(hours=3)
_FIRST_RUN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONG_RUN_HOURS: Final = frozenset({0, 12})
_SHORT_STEPS: Final = (*range(55), *range(57, 67, 3))
_LONG_STEPS: Final = (*range(55), *range(57, 145, 3), *range(150, 169, 6))


class Issue(NamedTuple):
    """One file, and when it is published."""

    at: datetime
    run_at: datetime
    step_hours: int
    parameter: str

    @property
    def valid_at(self) -> datetime:
        """The instant that the file is for."""
        return self.run_at + timedelta(hours=self.step_hours)

    @property
    def key(self) -> str:
        """The file's key in the bucket."""
        stamp = "%Y%m%dT%H%MZ"
        name = f"{self.valid_at:{stamp}}-PT{self.step_hours:04}H00M-{self.parameter}.nc"
        return f"global-deterministic-10km/{self.run_at:{stamp}}/{name}"


def issues(after: datetime, until: datetime) -> Iterator[Issue]:
    """Yield the files that are published in (after, until], oldest first."""
    run_at = _FIRST_RUN + (after - _BEGINS_AFTER - _FIRST_RUN) // _RUN_EVERY * _RUN_EVERY
    while run_at + _BEGINS_AFTER <= until:
        steps = _LONG_STEPS if run_at.hour in _LONG_RUN_HOURS else _SHORT_STEPS
        files = [(step, parameter) for step in steps for parameter in PARAMETERS]
        for number, (step, parameter) in enumerate(files):
            at = run_at + _BEGINS_AFTER + _RUN_EVERY * number / len(files)
            if after < at <= until:
                yield Issue(at, run_at, step, parameter)
        run_at += _RUN_EVERY
