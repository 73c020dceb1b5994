"""Which collector should have which source: as evenly as they can, with as few moves as possible.

A pure function of what all collectors know, so all of them come to the same result.
"""

from collections.abc import Collection, Mapping


def shares(able: Mapping[str, Collection[str]], owners: Mapping[str, str]) -> dict[str, str]:
    """Return each source's owner as it should be.

    A source stays with its owner unless the owner has two more than somebody else who is able to
    run it. A source that nobody is able to run has no owner.

    Args:
        able: The sources that each collector is able to run.
        owners: The owner of each source as it is now; one that is not in `able` is gone.

    >>> shares({"a": ["x", "y", "z"], "b": ["x", "y", "z"]}, {"x": "a", "y": "a", "z": "a"})
    {'x': 'b', 'y': 'a', 'z': 'a'}
    """
    wanted = {source: who for source, who in owners.items() if source in able.get(who, ())}
    load = dict.fromkeys(able, 0)
    for who in wanted.values():
        load[who] += 1

    def lightest(source: str) -> str | None:
        fit = [who for who, sources in able.items() if source in sources]
        return min(fit, key=lambda who: (load[who], who), default=None)

    everything = sorted({source for sources in able.values() for source in sources})
    for source in everything:
        if source not in wanted and (taker := lightest(source)) is not None:
            wanted[source] = taker
            load[taker] += 1
    is_moving = True
    while is_moving:
        is_moving = False
        for source in everything:
            giver, taker = wanted[source], lightest(source)
            if taker is not None and load[giver] - load[taker] > 1:
                wanted[source], is_moving = taker, True
                load[giver] -= 1
                load[taker] += 1
    return dict(sorted(wanted.items()))
