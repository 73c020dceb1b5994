"""How many instances there should be, whatever the load does."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.operations.scaling.decision import (
    AT_FIRST,
    Load,
    Memory,
    Policy,
    collectors_wanted,
    decide,
    workers_wanted,
)

CALM = 600.0
POLICIES = st.builds(
    lambda least, more: Policy(least=least, most=least + more, calm_seconds=CALM),
    st.integers(0, 5),
    st.integers(0, 40),
)
LOOKS = st.lists(
    st.tuples(st.floats(0.1, 400), st.integers(0, 60), st.booleans()), min_size=1, max_size=60
)
NOTHING = Load(
    backlog_messages=0, late_with_backlog=0, late_at_feed=0, waiting_runs=0, busy_workers=0
)


def _run(
    policy: Policy, running: int, looks: list[tuple[float, int, bool]]
) -> list[tuple[float, int, int, int]]:
    """Return time, load, count before and after of each look; an outage forgets what was calm."""
    now, memory, told = 0.0, AT_FIRST, []
    for seconds, wanted, fails in looks:
        now += seconds
        if fails:
            memory = AT_FIRST
            continue
        after, memory = decide(policy, memory, now=now, running=running, wanted=wanted)
        told.append((now, wanted, running, after))
        running = after
    return told


@given(POLICIES, st.integers(0, 80), LOOKS)
def test_the_count_is_within_its_bounds_from_the_first_look(
    policy: Policy, running: int, looks: list[tuple[float, int, bool]]
) -> None:
    assert all(policy.least <= after <= policy.most for *_, after in _run(policy, running, looks))


@given(POLICIES, st.integers(0, 80), LOOKS)
def test_one_at_most_is_given_up_within_a_calm_time(
    policy: Policy, running: int, looks: list[tuple[float, int, bool]]
) -> None:
    told = _run(policy, policy.within(running), looks)
    given_up = [(now, before - after) for now, _, before, after in told if after < before]
    assert all(less == 1 for _, less in given_up)
    assert all(b - a >= CALM for (a, _), (b, _) in itertools.pairwise(given_up))


@given(POLICIES, st.integers(0, 80), LOOKS)
def test_nothing_is_given_up_unless_fewer_were_enough_for_all_of_the_calm_time(
    policy: Policy, running: int, looks: list[tuple[float, int, bool]]
) -> None:
    told = _run(policy, policy.within(running), looks)
    for place, (now, _, before, after) in enumerate(told):
        if after < before:
            calm = [one for one in told[:place] if now - one[0] <= CALM]
            assert all(policy.within(wanted) < count for _, wanted, count, _ in calm)


@given(POLICIES, st.integers(0, 80), st.integers(0, 80))
def test_more_are_started_at_once_and_never_more_than_the_load_takes(
    policy: Policy, running: int, wanted: int
) -> None:
    running = policy.within(running)
    after, _ = decide(policy, AT_FIRST, now=0.0, running=running, wanted=wanted)
    if policy.within(wanted) > running:
        assert running < after <= min(policy.within(wanted), max(1, 2 * running))
    else:
        assert after == running


@given(POLICIES, st.integers(0, 60))
def test_a_steady_load_is_met_and_then_left_alone(policy: Policy, wanted: int) -> None:
    told = _run(policy, policy.least, [(15.0, wanted, False)] * 200)
    assert told[-1][3] == policy.within(wanted)
    changes = [now for now, _, before, after in told if before != after]
    assert len(changes) <= 7  # doublings from 1 to 45


@given(st.integers(2, 20))
def test_a_load_that_comes_and_goes_does_not_make_the_count_swing(most: int) -> None:
    policy = Policy(least=1, most=most, calm_seconds=CALM)
    looks = [(15.0, most if look % 20 == 0 else 0, False) for look in range(400)]
    told = _run(policy, 1, looks)
    assert all(after == most for *_, after in told[120:])


def test_a_clock_that_has_seen_an_outage_begins_anew() -> None:
    policy = Policy(least=1, most=5, calm_seconds=CALM)
    calm = Memory(calm_since=0.0)
    assert decide(policy, calm, now=CALM, running=5, wanted=1) == (4, Memory(calm_since=CALM))
    assert decide(policy, AT_FIRST, now=CALM, running=5, wanted=1) == (5, Memory(calm_since=CALM))


def test_bounds_without_a_count_are_refused() -> None:
    with pytest.raises(ValueError, match="no count"):
        Policy(least=3, most=2, calm_seconds=1)


@given(
    backlog=st.integers(0, 10**7), late=st.integers(0, 38), waiting=st.integers(0, 50),
    busy=st.integers(0, 50), running=st.integers(0, 50),
)  # fmt: skip
def test_more_to_do_never_takes_fewer_workers(
    backlog: int, late: int, waiting: int, busy: int, running: int
) -> None:
    def wanted(**more: int) -> int:
        load = Load(
            backlog_messages=backlog + more.get("backlog", 0),
            late_with_backlog=late + more.get("late", 0),
            late_at_feed=0,
            waiting_runs=waiting + more.get("waiting", 0),
            busy_workers=busy,
        )
        return workers_wanted(load, running, messages_per_worker=20_000)

    assert wanted() >= busy + waiting
    assert wanted() * 20_000 >= backlog
    for kind in ("backlog", "late", "waiting"):
        assert wanted(**{kind: 7}) >= wanted()


def test_nothing_to_do_takes_nobody() -> None:
    assert workers_wanted(NOTHING, 7, messages_per_worker=20_000) == 0
    assert collectors_wanted(NOTHING, 7) == 0


def test_two_late_feeds_are_the_providers_affair_and_three_are_ours() -> None:
    def of(late: int) -> int:
        load = Load(
            backlog_messages=0,
            late_with_backlog=0,
            late_at_feed=late,
            waiting_runs=0,
            busy_workers=0,
        )
        return collectors_wanted(load, 2)

    assert (of(2), of(3)) == (0, 3)
