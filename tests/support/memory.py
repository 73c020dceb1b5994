"""How much memory a test's own process has had at most."""

import resource

A_FEW_HUNDRED_MEGABYTES = 400 << 20


def most_memory() -> int:
    """Return the most memory that this process has had until now, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
