"""A soak's table: what is wrong is told of the case that had begun last, and nothing is hidden."""

import json
from datetime import UTC, datetime, timedelta

from tests.faults import cases
from tests.faults.report import BEFORE, Row, Struck, as_json, of_json, rows_of, table, together

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def struck(case: str, minute: int, seconds: float | None = 3.0, failure: str = "") -> Struck:
    return Struck(
        case=case, promise="it holds", began_at=NOON + minute * MINUTE, seconds=seconds,
        failure=failure,
    )  # fmt: skip


DONE = [struck("kill", 0), struck("stop", 5, 10.0), struck("kill", 10, 61.0)]


def test_a_wrong_row_is_told_of_the_case_that_had_begun_last() -> None:
    rows = {
        row.case: row
        for row in rows_of(
            DONE,
            lost_at=[NOON + 5 * MINUTE, NOON + 9 * MINUTE, NOON + 20 * MINUTE],
            doubled_at=[NOON + MINUTE],
            invented_at=[NOON - MINUTE],
        )
    }
    assert (rows["stop"].lost, rows["kill"].lost) == (2, 1)
    assert (rows["stop"].doubled, rows["kill"].doubled) == (0, 1)
    assert rows[BEFORE].invented == 1
    assert [row.is_kept for row in rows.values()] == [False, False, False]


def test_a_case_is_counted_with_how_soon_all_was_well() -> None:
    kill, stop = rows_of(DONE)
    assert (kill.count, kill.seconds, stop.count) == (2, [3.0, 61.0], 1)
    assert kill.is_kept
    lines = list(table([kill, stop]))
    assert lines[2] == "| kill | it holds | 2 | 0 | 0 | 0 | 61 s, 61 s |"
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_what_failed_is_not_kept_and_is_told() -> None:
    [row] = rows_of([struck("kill", 0), struck("kill", 1, None, "no recovery")])
    assert not row.is_kept
    assert row.failures == ["no recovery"]
    assert list(table([row]))[2].endswith("| 3 s, 3 s; 1 failed |")
    [never] = rows_of([struck("kill", 1, None, "no recovery")])
    assert list(table([never]))[2].endswith("| never |")
    [searched] = rows_of([struck("secrets", 1, None)])
    assert list(table([searched]))[2].endswith("| 1 | 0 | 0 | 0 |  |"), "nothing had to get well"


def test_an_outcome_survives_as_json() -> None:
    rows = list(rows_of(DONE, lost_at=[NOON]))
    kept = json.loads(json.dumps(as_json(rows, seed=7)))
    assert kept["seed"] == 7
    assert [row["is_kept"] for row in kept["cases"]] == [False, True]
    assert of_json(kept) == rows


def test_several_soaks_make_one_table() -> None:
    kill = Row(case="kill", promise="it holds", count=2, killed=3, lost=1, seconds=[1.0, 9.0])
    stop = Row(case="stop", promise="it holds", count=1, failures=["no recovery"])
    again = Row(case="kill", promise="it holds", count=1, killed=1, invented=2, seconds=[5.0])
    both = Row(
        case="kill", promise="it holds", count=3, killed=4, lost=1, invented=2,
        seconds=[1.0, 9.0, 5.0],
    )  # fmt: skip
    assert together([kill, stop, again]) == [both, stop]
    assert kill.count == 2


def test_every_case_has_a_name_of_its_own_and_a_promise() -> None:
    for chosen in (cases.embedded(), cases.cloud()):
        assert len({case.name for case in chosen}) == len(chosen)
        assert all(case.promise and case.times > 0 for case in chosen)
    assert {row.case for row in rows_of([struck("kill", 0)])} == {"kill"}
    assert Row(case="kill", promise="it holds").is_kept
