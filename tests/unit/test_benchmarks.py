"""`make bench` forgets no figure that is wanted, and keeps what was measured if something fails."""

import json
from concurrent.futures import Future
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from benchmarks import (
    batch,
    bench,
    dashboard_viewers,
    delta_tables,
    drain,
    flat,
    goals,
    landing,
    latency,
    live_bus,
    replay,
    screens,
)
from benchmarks.figures import Figure, read_json, write_json
from benchmarks.flat_history import STEP, ZONES, frequency, prices
from energy_platform.market.instants import microseconds
from energy_platform.market.registry import market_source
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.settings import Settings
from energy_platform.storage.landing import LandingZone, Merged
from tests.support.testcases import case_messages

TESTCASES = Path(__file__).parent.parent / "testcases"

WANTED = {
    "trades, received → hot store, p50": 0.3,
    "trades, received → hot store, p95": 0.8,
    "trades, received → warehouse, p95": 5.0,
    "order book, 1 message a batch": 12.0,
    "order book, 20 messages a batch": 12.0,
    "ENTSO-E generation, 23 documents a batch": 150_000,
    "GFS wind, one message a batch": 150_000,
    "order book, 500 messages of 20 orders a batch": 150_000,
    "replay of 306,000 rows of five sources, starts included": None,
    "a market day of all sources, 3.1 M points, into empty stores, two cores": 25.0,
    "the platform at market pace without the simulator": 0.35,
    "its memory, proportional set size": 1.3,
    "entries of the home that grow without a stated bound": 0,
    "landing files a day, merged": 5_000,
    "flat over time: micro-batch": 1.2,
    "flat over time: tick": 1.2,
    "flat over time: load of a day": 1.2,
    "flat over time: as_of of a month": 1.2,
    "flat over time: start-up": 1.2,
    "flat over time: memory": 1.2,
    "flat over time: AssetGraphLiveQuery": 1.2,
    "flat over time: RunsFeedRootQuery": 1.2,
    "the dashboard's CPU, 50 viewers": 5.0,
    "the dashboard's CPU, 50 viewers, all sources live": 5.0,
    "the dashboard's own memory, 50 viewers, all sources live": 120.0,
    "frames that 200 viewers did not get": 0,
    "received → pixel, all sources live, p50": 0.6,
    "received → pixel, all sources live, p95": 1.2,
    "first paint in a fresh browser, median": 0.6,
    "the files of the page": 400.0,
    "received → frame, 50 viewers, p50": 0.6,
    "received → frame, 50 viewers, p95": 1.2,
}
"""What traders and the desk asked for."""


def test_every_figure_that_is_wanted_is_in_the_closing_table() -> None:
    found = {goal.what: goal.wanted for goal in goals.goals()}
    assert {what: found.get(what, "forgotten") for what in WANTED} == WANTED
    lines = bench.table(bench.answered(goals.goals(), {}))
    assert all(any(line.startswith(f"| {what} | ") for line in lines) for what in WANTED)


def of_a_variant() -> latency.Measured:
    trades = pl.DataFrame({"source": [latency.TRADES] * 4}).with_columns(
        *(pl.lit(0.2).alias(column) for column in latency.LATENCIES.values())
    )
    usage = [latency.Usage("hot-lane", 6.0, 512.0), latency.Usage("simulator", 60.0, 900.0)]
    return latency.Measured(
        variant=latency.WARM,
        seconds=60.0,
        runs=12,
        load=(1.0, 2.0),
        latencies=trades,
        followed=pl.Series([0.2, 0.3]),
        usage=usage,
        grown_bytes={"hot.sqlite": 9},
    )


def test_a_follower_counts_the_rows_received_while_it_is_measured(tmp_path: Path) -> None:
    began, told = datetime(2026, 3, 1, tzinfo=UTC), tmp_path / "followed.csv"
    rows = [(began + timedelta(seconds=seconds), delay) for seconds, delay in
            ((-1, 0.9), (0, 0.25), (30, 0.5), (60, 0.75), (61, 0.9))]  # fmt: skip
    told.write_text(
        "".join(
            f"{microseconds(at)},{microseconds(at + timedelta(seconds=delay))}\n"
            for at, delay in rows
        )
    )
    seen = latency.followed(told, began, began + timedelta(minutes=1))
    assert seen.to_list() == [0.25, 0.5, 0.75]


def made_up() -> dict[str, list[Figure]]:
    """Return the figures of every benchmark, of made-up measurements."""
    spent = replay.Spent(cpu_seconds=5.0, wall_seconds=7.0)
    of_a_load = batch.Spent(cpu_seconds=[0.01], wall_seconds=[0.02], rows=9_000)
    drained = drain.Drained("smard_price", messages=9, rows=9, points=9, cpu_seconds=1.0)
    of_a_log = {"files": 9.0}
    of_a_bus = pl.DataFrame({"publish": [0.001, 0.002], "follow": [0.001, 0.003]})
    of_a_table = {f"{name}, ms of CPU": [1.0, 1.1] for name in goals.TABLE_RATIOS}
    of_a_table["written by an upkeep, MB"] = [3.0, 3.5]
    costs = {name: flat.Cost(10.0, 20.0) for name in goals.FLAT}
    watched = dashboard_viewers.Watched(4.0, 90.0, [0.1, 0.2], fewest=2, most=2, jumps=0)
    return {
        "latency": latency.figures(of_a_variant()),
        "live_bus": [*live_bus.figures(live_bus.VALKEY, of_a_bus, 0.1, 2)],
        "batch": [batch.figure(load, of_a_load, of_a_load, 3) for load in batch.loads(1)],
        "replay": replay.compared({"smard_price": 306_000}, spent, spent),
        "drain": drain.compared([drained], drain.Took(1.0, 2.0)),
        "landing": landing.compared(of_a_log, of_a_log, Merged(9, 3, 0), 1.0),
        "delta_tables": [
            delta_tables.figure(what, values, [1, 50]) for what, values in of_a_table.items()
        ],
        "flat": flat.compared({"day 1": [costs], "day 31": [costs], "day 90": [costs]}, 90),
        "dashboard_viewers": [
            one for viewers in (50, 200) for one in dashboard_viewers.told(viewers, watched)
        ],
        "screens": list(
            screens.told(screens.Pixels([("trades", 0.1, 0.2)], 0), [(0.3, 200.0)], watched)
        ),
    }


def test_the_start_of_a_drain_counts_once() -> None:
    points = drain.DAY_POINTS // 2
    drained = drain.Drained("smard_price", messages=9, rows=9, points=points, cpu_seconds=1.0)
    [wall, cpu] = drain.compared([drained], drain.Took(start_seconds=3.0, seconds=7.0))
    assert wall.value == pytest.approx(3 + 2 * 7)
    assert cpu.value == pytest.approx(2)


def test_a_source_that_fails_loses_no_other_sources_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "drain.json"
    good = drain.Drained("smard_price", messages=9, rows=9, points=9, cpu_seconds=1.0)
    bad = drain.Drained("ote_day_ahead_price", failed="BrokenProcessPool: a process ended")

    def not_read(_: Path) -> float:
        raise OSError("the disk is gone")

    monkeypatch.setattr(drain, "drain", lambda *_: ([good, bad], drain.Took(1.0, 2.0)))
    monkeypatch.setattr(drain, "read_alone", not_read)
    monkeypatch.setattr("sys.argv", ["drain.py", "--landing", str(tmp_path), "--json", str(told)])
    drain.main()
    assert json.loads(told.read_bytes())["sources"] == [asdict(good), asdict(bad)]
    [wall, cpu, reading] = read_json(told)
    assert wall.value is cpu.value is reading.value is None
    assert wall.note == "ote_day_ahead_price: BrokenProcessPool: a process ended"
    assert reading.note == "OSError: the disk is gone"


def test_a_drain_brings_what_has_landed_to_both_stores(tmp_path: Path) -> None:
    source = market_source("smard_price")
    landing, home = tmp_path / "landing", tmp_path / "home"
    messages = case_messages(source, TESTCASES / source.name / "ordinary")
    zone = LandingZone.open(landing.as_uri())
    zone.writer(source.name).append([*messages], cursor=None)
    settings = Settings(home=home, landing=landing.as_uri())
    taken: Future[float] = Future()
    taken.set_result(drain._drain_one(source.name, settings))
    found = drain._counted(source.name, taken, settings)
    assert found.messages == len(messages)
    assert found.rows > 0
    assert found.points == found.rows
    assert found.cpu_seconds > 0
    assert not open_micro_batches(settings).is_behind(source)


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("raise SystemExit(3)", "failed with exit code 3"),
        ("import time; time.sleep(60)", "was stopped"),
        ("", "ended"),
    ],
)
def test_a_benchmark_that_fails_or_hangs_holds_up_no_other(
    script: str,
    wanted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "batch.py").write_text(script)
    (tmp_path / "drain.py").write_text("")
    (tmp_path / "batch.json").write_text('{"figures": [{"what"')
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    monkeypatch.setattr(bench, "LIMIT_SECONDS", 5.0)
    monkeypatch.setattr("sys.argv", ["bench.py", "batch", "drain"])
    assert bench.main() == bench.NOT_MEASURED
    told = capsys.readouterr().out
    assert f"batch {wanted} after " in told
    assert "drain ended after " in told
    assert all(f"| {goal.what} | " in told for goal in goals.goals())


def test_figures_that_were_cut_off_are_none(tmp_path: Path) -> None:
    (tmp_path / "batch.json").write_text('{"figures": [{"what"')
    assert bench.figures_of(tmp_path / "batch.json") == []


def test_every_goal_is_measured_by_its_benchmark() -> None:
    answers = bench.answered(goals.goals(), made_up())
    assert [goal.what for goal, one in answers if one.value is None] == []
    assert {goal.benchmark for goal, _ in answers} == set(made_up())


def test_a_missed_goal_says_why_and_a_forgotten_one_is_told() -> None:
    found = made_up()
    found["batch"][0] = goals.ONE_MESSAGE.measured(99.0, "a note")
    lines = bench.table(bench.answered(goals.goals(), found))
    [missed] = [line for line in lines if line.startswith("| order book, 1 message a batch |")]
    assert "| missed |" in missed
    assert goals.ONE_MESSAGE.if_missed in missed
    assert "a note" in missed
    found["batch"] = found["batch"][1:]
    lines = bench.table(bench.answered(goals.goals(), found))
    [unknown] = [line for line in lines if line.startswith("| order book, 1 message a batch |")]
    assert "| not measured |" in unknown
    assert "met" not in unknown


def test_the_exit_code_tells_missed_from_not_measured() -> None:
    goal = goals.ONE_MESSAGE
    met, missed, unknown = (
        (goal, goal.measured(value)) for value in (goal.wanted, 10 * (goal.wanted or 0), None)
    )
    only_known = (goals.REPLAY_CPU, goals.REPLAY_CPU.measured(3.0))
    assert bench.exit_code([met, only_known]) == bench.MET == 0
    assert bench.exit_code([met, missed]) == bench.MISSED == 1
    assert bench.exit_code([met, missed, unknown]) == bench.NOT_MEASURED == 2
    assert bench.summary([met, missed, unknown]) == "1 met, 1 missed, 1 not measured"


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    figures = [one for each in made_up().values() for one in each]
    write_json(figures, tmp_path / "told.json", variants={"stock launcher": {"runs": 14}})
    assert read_json(tmp_path / "told.json") == figures


@pytest.mark.parametrize("failing", [latency.WARM, "stock launcher"])
def test_a_variant_that_fails_loses_no_other_ones_figures(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_before: list[bool] = []
    told = tmp_path / "latency.json"

    def measure(variant: latency.Variant, seconds: float) -> latency.Measured:
        written_before.append(told.exists())
        if variant.name == failing:
            raise TimeoutError("not every source flowed: smard_price")
        return replace(of_a_variant(), variant=variant.name, seconds=seconds)

    monkeypatch.setattr(latency, "measure", measure)
    monkeypatch.setattr("sys.argv", ["latency.py", "--seconds", "60", "--json", str(told)])
    latency.main()
    assert written_before == [False, True], "each variant is written before the next begins"
    variants = json.loads(told.read_bytes())["variants"]
    assert variants.pop(failing) == {"failed": "TimeoutError: not every source flowed: smard_price"}
    [other] = variants.values()
    assert other["runs"] == of_a_variant().runs
    figures = read_json(told)
    assert all((one.value is None) == (failing == latency.WARM) for one in figures)
    assert [one.what for one in figures] == [one.what for one in latency.figures(of_a_variant())]


def test_an_entry_of_the_home_needs_a_bound_in_the_docs() -> None:
    entries = ("hot.sqlite", "hot.sqlite-wal", "landing", "simulator", "surprise")
    assert latency.unbounded(entries) == ["surprise"]


def test_a_disturbed_round_does_not_pass_for_growth() -> None:
    def costs(cpu: float) -> flat.Costs:
        return {name: flat.Cost(cpu, cpu) for name in goals.FLAT}

    rounds = {"day 1": [costs(10.0), costs(12.0)], "day 90": [costs(30.0), costs(11.0)]}
    figures = flat.compared(rounds, 90)
    assert {one.value for one in figures} == {1.1}
    assert len(figures) == len(goals.FLAT) - 1, "no month without a home of the 31st day"


def test_a_history_is_made_alike_each_time() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert len(prices(noon)) == len(ZONES)
    assert prices(noon) == prices(noon)
    assert frequency(noon, STEP) == frequency(noon, STEP)
