"""Looks for payloads that do worse than being refused, guided by what they reach: `make fuzz`.

    python -m tests.faults.fuzz [SOURCE …] [--seconds 60] [--finds fuzz_finds]

Each source's parser and checks are given its test cases' payloads, changed by Atheris (libFuzzer),
for so many seconds, in a process of its own. A find is an exception beyond the checks, a payload
that takes more than twenty seconds or two gigabytes, or one that ends the process. It is kept below
`finds`; once mended, it belongs into `tests/testcases/SOURCE/`. The exit code is 1 if there is one.

Atheris has no wheel for every system, so it is an extra of its own; `make fuzz` installs it apart.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

TESTCASES: Final = Path(__file__).parents[1] / "testcases"
INSTRUMENTED: Final = ("energy_platform.encodings", "energy_platform.formats")
LONGEST_SECONDS: Final = 20
MOST_MEGABYTES: Final = 2_048
MOST_BYTES: Final = 200_000
FOUND: Final = 1


def main() -> int:
    """Fuzz the parsers of some sources, or of all, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    parser.add_argument("--seconds", type=int, default=60, help="for each source")
    parser.add_argument("--finds", type=Path, default=Path("fuzz_finds"))
    asked = parser.parse_args()
    names = asked.sources or sorted(path.name for path in TESTCASES.iterdir() if path.is_dir())
    failed = [name for name in names if fuzz(name, asked.seconds, asked.finds / name)]
    print(f"{len(names)} parsers, {asked.seconds} s each: {', '.join(failed) or 'no find'}")
    return FOUND if failed else 0


def fuzz(name: str, seconds: int, finds: Path) -> bool:
    """Fuzz one source's parser in a process of its own; return whether there is a find."""
    finds.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder)
        for number, payload in enumerate(sorted((TESTCASES / name).glob("*/payload*"))):
            if payload.stat().st_size <= MOST_BYTES:
                (corpus / str(number)).write_bytes(payload.read_bytes())
        command = [
            sys.executable, "-c", f"from tests.faults.fuzz import run; run({name!r})", folder,
            f"-max_total_time={seconds}", f"-timeout={LONGEST_SECONDS}",
            f"-rss_limit_mb={MOST_MEGABYTES}", f"-max_len={MOST_BYTES}",
            f"-artifact_prefix={finds}/", "-verbosity=0", "-print_final_stats=1",
        ]  # fmt: skip
        ended = subprocess.run(command, check=False)
    if not any(finds.iterdir()):
        finds.rmdir()
    print(f"{name}: {'a find' if ended.returncode else 'no find'}", flush=True)
    return ended.returncode != 0


def run(name: str) -> None:
    """Fuzz one source's parser with the arguments of libFuzzer, until it ends the process."""
    import atheris  # noqa: PLC0415 (an extra of its own)

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from energy_platform.market.registry import market_source  # noqa: PLC0415
        from energy_platform.pipeline.checks import check_messages  # noqa: PLC0415
        from tests.support.testcases import case_messages  # noqa: PLC0415

        source = market_source(name)
    first = next(case for case in sorted((TESTCASES / name).iterdir()) if case.is_dir())
    message = case_messages(source, first)[0]

    def parse(payload: bytes) -> None:
        checked = check_messages(source, [replace(message, body=payload)])
        assert dict(checked.rows.schema) == source.dtypes

    atheris.Setup(sys.argv, parse)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
