"""The budget of one message: how many rows, how much memory and time reading it may take.

A message of a few bytes can claim anything, so a claim is no reason to allocate. Formats look at
what a message claims before they decode it; `encodings.limited_process` holds to the rest what a
look can't bound.
"""

from typing import Final

MOST_ROWS: Final = 1_000_000
"""The most rows of a message, and of a batch of them.

A year of quarter-hours for 28 series, or ten years of a weather station's 10-minute values.
"""

MEMORY_BYTES: Final = 1 << 30
"""How much memory the process that reads a message may take beyond what it had before."""

CPU_SECONDS: Final = 30
"""How much CPU time reading a message may take; the largest real ones take one or two seconds."""

BATCH_SECONDS: Final = 60.0
"""How long a batch goes on parsing; it ends with the message at hand, and the next goes on."""
