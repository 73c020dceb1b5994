"""What can run out of this machine is told before it has, with the time that is left."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from energy_platform.operations.alerts import watch
from energy_platform.operations.alerts.book import AlertBook
from energy_platform.operations.alerts.conditions import Condition, Trouble, of_resources
from energy_platform.operations.alerts.watch import look
from energy_platform.operations.resources import (
    LOOKED_BACK,
    Kind,
    Resource,
    Sample,
    lasts,
    open_files,
    resources,
)
from energy_platform.operations.supervision.supervisor import ProcessStatus
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.settings import Settings, StatePlace, settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GIB = 2.0**30
MEMORY = Resource(kind=Kind.MEMORY, subject="this machine", used=10 * GIB, limit=24 * GIB)


def told(found: Resource, left: timedelta | None = None) -> list[Condition]:
    return of_resources([(found, left)])


def grown(*used: float, now: float) -> timedelta | None:
    """Return how long a thing of 100 lasts that was used so much, hour by hour, until now."""
    hours = len(used)
    samples = [Sample(NOON - (hours - n) * HOUR, one) for n, one in enumerate(used)]
    return lasts(replace(MEMORY, used=now, limit=100.0), samples, NOON)


def test_what_grows_evenly_lasts_as_long_as_is_left_of_it() -> None:
    assert grown(10.0, 20.0, 30.0, 40.0, now=50.0) == 5 * HOUR


def test_what_grew_only_at_first_lasts() -> None:
    """A platform that has just started fills its caches."""
    assert grown(10.0, 60.0, 70.0, 70.0, now=70.0) is None


def test_what_shrinks_or_rises_and_falls_lasts() -> None:
    assert grown(50.0, 40.0, 30.0, now=20.0) is None
    assert grown(50.0, 80.0, 50.0, 80.0, now=50.0) is None


def test_of_a_short_time_no_pace_is_told() -> None:
    [sample] = [Sample(NOON - timedelta(minutes=50), 10.0)]
    assert lasts(replace(MEMORY, used=90.0, limit=100.0), [sample], NOON) is None
    assert lasts(replace(MEMORY, used=90.0, limit=100.0), [], NOON) is None
    old = Sample(NOON - LOOKED_BACK - HOUR, 0.0)
    assert lasts(replace(MEMORY, used=90.0, limit=100.0), [old], NOON) is None


@pytest.mark.parametrize(
    ("kind", "subject", "trouble"),
    [
        (Kind.FILES, "/home", Trouble.FILES),
        (Kind.MEMORY, "this machine", Trouble.MEMORY),
        (Kind.DESCRIPTORS, "collector", Trouble.DESCRIPTORS),
    ],
)
def test_less_than_a_tenth_is_short(kind: Kind, subject: str, trouble: Trouble) -> None:
    much = Resource(kind=kind, subject=subject, used=89.0, limit=100.0)
    assert told(much) == []
    [one] = told(replace(much, used=91.0), 2 * HOUR)
    assert (one.trouble, one.subject) == (trouble, subject)
    assert subject in one.text
    assert "none will be left in 2 h at the pace of the last hours. Next: " in one.text


def test_the_words() -> None:
    [one] = told(replace(MEMORY, used=22.5 * GIB))
    assert one.text.startswith("Memory is short on this machine: 22.5 of 24.0 GiB are used. Next: ")
    files = Resource(kind=Kind.DESCRIPTORS, subject="collector", used=1_000, limit=1_024)
    assert "collector has few file descriptors left: 1,000 of 1,024 are used" in told(files)[0].text


@pytest.mark.parametrize("kind", list(Kind))
def test_what_will_be_used_up_within_a_day_is_told_while_there_is_enough(kind: Kind) -> None:
    enough = Resource(kind=kind, subject="/home", used=50.0, limit=100.0)
    assert told(enough, 25 * HOUR) == []
    [one] = told(enough, 5 * HOUR)
    assert one.key == f"runs_out:{kind}:/home"
    assert "in 5 h at the pace of the last hours: " in one.text
    assert one.patience == timedelta(minutes=10)


def test_room_that_is_short_is_told_by_the_disk_alone_but_its_pace_is_told() -> None:
    room = Resource(kind=Kind.ROOM, subject="/home", used=99.0, limit=100.0)
    assert told(room) == []
    assert [one.trouble for one in told(room, HOUR)] == [Trouble.RUNS_OUT]


@pytest.fixture
def opened() -> Iterator[int]:
    """Open a hundred descriptors more."""
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(Path(os.devnull).open())
        yield 100


def test_this_process_and_this_machine_are_read(tmp_path: Path, opened: int) -> None:
    me = ProcessStatus("collector", os.getpid(), "RUNNING", 0)
    ended = ProcessStatus("daemon", 0, "BACKOFF", 3)
    found = {one.key: one for one in resources(Settings(home=tmp_path), [me, ended])}
    mine = found["descriptors:collector"]
    assert opened < mine.used < mine.limit
    assert mine.limit == psutil.Process().rlimit(psutil.RLIMIT_NOFILE)[0]
    assert "descriptors:daemon" not in found
    memory = found["memory:this machine"]
    assert 0 < memory.used < memory.limit == psutil.virtual_memory().total
    room = found[f"room:{tmp_path}"]
    assert 0 < room.used <= room.limit


def test_of_a_process_that_has_just_ended_nothing_is_told(tmp_path: Path) -> None:
    gone = ProcessStatus("collector", 2**22 + 1, "RUNNING", 0)
    with pytest.raises(psutil.Error):
        open_files(gone.pid)
    kinds = {one.kind for one in resources(Settings(home=tmp_path), [gone])}
    assert Kind.DESCRIPTORS not in kinds


def test_samples_are_few_and_forgotten(tmp_path: Path) -> None:
    book = AlertBook(StatePlace(tmp_path))
    for minute in range(10 * 60):
        book.remember_used({"memory": float(minute)}, NOON + timedelta(minutes=minute))
    [kept] = book.remember_used({}, NOON + timedelta(minutes=599)).values()
    assert len(kept) == LOOKED_BACK / timedelta(minutes=5)
    assert [one.used for one in kept][:2] == [240.0, 245.0]
    again = AlertBook(StatePlace(tmp_path)).remember_used({}, NOON)
    assert again == {}, "what a clock that was set back calls the future is forgotten"


@pytest.mark.usefixtures("example_known")
def test_a_look_tells_of_a_process_that_runs_out_of_descriptors(
    platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Resource(kind=Kind.DESCRIPTORS, subject="hot-lane", used=1_000, limit=1_024)
    monkeypatch.setattr(watch, "resources", lambda *_: [full])
    incidents, _ = look(settings(), platform_batches)
    assert [one.key for one in incidents if "hot-lane" in one.text] == ["descriptors:hot-lane"]
