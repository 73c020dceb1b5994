"""Retries a write after another writer has committed first."""

from typing import Final

import stamina

from energy_platform.errors import CommitConflictError

tried_again: Final = stamina.retry(
    on=CommitConflictError, attempts=5, wait_initial=0.05, wait_max=1.0
)
"""Runs a function again; it reads what the other writer has stored before it writes."""
