"""What a question must say so that its answer is not ambiguous."""

from datetime import datetime

from energy_platform.errors import UsageError
from energy_platform.history.question import Run
from energy_platform.reading.dataset import Dataset


def require_run(asked: Dataset, run: Run) -> None:
    """Refuse a value that can't be a run, and any run of a table that is no forecast.

    Raises:
        UsageError: `run` is none of its forms, or lacks its time zone; or there are no runs.
    """
    if not asked.has_runs:
        raise UsageError(f"{asked.name} is no forecast, so it has no runs")
    if isinstance(run, datetime):
        require_zones(run=run)
    elif run != "latest":
        raise UsageError(f'run is a reference time or "latest", not {run!r}')


def require_zones(**instants: datetime | None) -> None:
    """Refuse an instant without a time zone: each autumn a local time is ambiguous.

    Raises:
        UsageError: One has none; the message names it.
    """
    for name, instant in instants.items():
        if instant is not None and instant.tzinfo is None:
            raise UsageError(f"{name} needs a time zone, e.g. datetime(2026, 3, 1, tzinfo=UTC)")
