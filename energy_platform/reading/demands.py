"""What a question must say so that its answer is not ambiguous."""

from datetime import datetime

from energy_platform.errors import UsageError


def require_zones(**instants: datetime | None) -> None:
    """Refuse an instant without a time zone: each autumn a local time is ambiguous.

    Raises:
        UsageError: One has none; the message names it.
    """
    for name, instant in instants.items():
        if instant is not None and instant.tzinfo is None:
            raise UsageError(f"{name} needs a time zone, e.g. datetime(2026, 3, 1, tzinfo=UTC)")
