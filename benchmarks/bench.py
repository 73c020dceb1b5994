"""Measures all that is wanted of the hot path, and closes with one table of it.

    python benchmarks/bench.py [NAME …] [--told]

Each benchmark runs in a process of its own, prints its own tables and writes its JSON beside
itself; one that fails loses only its own figures, and so does one that is stopped because it works
for more than twenty minutes. Ctrl-C ends the benchmark that runs and leaves out those after it. The
table has every goal of `goals` with what was
measured, the verdict, and for a missed one the reason. It is also written to `bench.json`. With
names, only these benchmarks run, and the others' figures are those of their last run. `--told` runs
none.

The exit code is 0 if every goal is met, 1 if one is missed, 2 if one was not measured.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.figures import VERDICTS, Figure, read_json, shown
from benchmarks.goals import Goal, goals
from energy_platform.operations.supervision.plan import PROJECT

FOLDER: Final = PROJECT / "benchmarks"
TOGETHER: Final = "bench"
LIMIT_SECONDS: Final = 1_200.0
STOP_SECONDS: Final = 60.0
MET, MISSED, NOT_MEASURED = 0, 1, 2


def main() -> int:
    """Run the benchmarks, and print and write the table."""
    names = list(dict.fromkeys(goal.benchmark for goal in goals()))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(names)}")
    parser.add_argument("--told", action="store_true", help="only the table, of the last runs")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(names):
        parser.error(f"no benchmark: {', '.join(sorted(unknown))}")
    chosen = [] if asked.told else asked.names or names
    for name in chosen:
        # Figures of an earlier run are not kept, in case this one fails.
        (FOLDER / f"{name}.json").unlink(missing_ok=True)
    with contextlib.suppress(KeyboardInterrupt):
        for name in chosen:
            run(name)
    found = {name: figures_of(FOLDER / f"{name}.json") for name in names}
    answers = answered(goals(), found)
    print("\n== all that is wanted\n")
    for line in table(answers):
        print(line)
    written = [asdict(goal) | asdict(one) | {"is_met": one.is_met} for goal, one in answers]
    (FOLDER / f"{TOGETHER}.json").write_text(json.dumps(written, indent=2) + "\n")
    print(f"\n{summary(answers)}")
    return exit_code(answers)


def run(name: str) -> None:
    """Run a benchmark, for as long as one may take."""
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--json", str(FOLDER / f"{name}.json")]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(PROJECT)}) as process:
        try:
            code = process.wait(LIMIT_SECONDS)
            ended = f"failed with exit code {code}" if code else "ended"
        except subprocess.TimeoutExpired:
            ended = "was stopped"
        finally:
            stop(process)
    print(f"{name} {ended} after {time.monotonic() - began:.0f} s", flush=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a benchmark that still runs; it has a minute to stop what it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def figures_of(file: Path) -> list[Figure]:
    """Return the figures that a benchmark wrote; none if it did not get so far."""
    try:
        return read_json(file)
    except (OSError, ValueError, LookupError, TypeError):
        return []


def answered(
    wanted: Iterable[Goal], found: Mapping[str, Sequence[Figure]]
) -> list[tuple[Goal, Figure]]:
    """Return each goal with its figure, which has no value if it was not measured."""
    by_what = {(name, one.what): one for name, figures in found.items() for one in figures}
    return [
        (goal, by_what.get((goal.benchmark, goal.what), goal.measured(None, "not measured")))
        for goal in wanted
    ]


def table(answers: Sequence[tuple[Goal, Figure]]) -> list[str]:
    """Return the lines of the closing table."""
    lines = [
        "| what | by | wanted | measured | verdict | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for goal, one in answers:
        verdict = "not measured" if one.value is None else VERDICTS[one.is_met]
        reason = goal.if_missed if one.value is not None and one.is_met is False else ""
        said = "; ".join(text for text in (reason, one.note) if text)
        lines.append(
            f"| {goal.what} | {goal.benchmark} | {shown(goal.wanted)}"
            f" | {shown(one.value)} {goal.unit} | {verdict} | {said} |"
        )
    return lines


def summary(answers: Sequence[tuple[Goal, Figure]]) -> str:
    """Return how many goals are met, missed, and not measured."""
    met, missed, unknown = (len(each) for each in _sorted(answers))
    return f"{met} met, {missed} missed, {unknown} not measured"


def exit_code(answers: Sequence[tuple[Goal, Figure]]) -> int:
    """Return whether all is met, something is missed, or something was not measured."""
    _, missed, unknown = _sorted(answers)
    return NOT_MEASURED if unknown else MISSED if missed else MET


def _sorted(answers: Sequence[tuple[Goal, Figure]]) -> tuple[list[Figure], ...]:
    figures = [one for _, one in answers]
    unknown = [one for one in figures if one.value is None]
    known = [one for one in figures if one.value is not None]
    return (
        [one for one in known if one.is_met],
        [one for one in known if one.is_met is False],
        unknown,
    )


if __name__ == "__main__":
    sys.exit(main())
