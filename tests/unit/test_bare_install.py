"""A plain install brings what reading needs and no more, and that is enough to read."""

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.utils import canonicalize_name
from typer.main import get_command

from energy_platform.cli import app
from energy_platform.errors import EXTRAS
from tests.support import example_home
from tests.support.bare_environment import ROOT, BareEnvironment, made_in, requirements

MOST_PACKAGES: Final = 32
MOST_MEGABYTES: Final = 420
MOST_RSS_MEGABYTES: Final = 90
"""How much more memory the first table may take than plain polars, which differs by machine."""
MOST_SECONDS: Final = 0.6
"""How much CPU the first table may cost where plain polars takes `POLARS_SECONDS`."""
POLARS_SECONDS: Final = 0.27

NOT_FOR_READERS: Final = frozenset(
    [
        "aiobotocore",
        "aioftp",
        "apprise",
        "cryptography",
        "dagster",
        "duckdb",
        "eccodes",
        "fastexcel",
        "httpx",
        "lxml",
        "numpy",
        "obstore",
        "pandas",
        "pandera",
        "psutil",
        "pyarrow",
        "starlette",
        "uvicorn",
        "websockets",
        "yaml",
        "zeep",
    ]
)
_TELL: Final = """
import json, sys, time
loaded = {name.partition(".")[0] for name in sys.modules}
library = [name for name in sys.modules if name.startswith("energy_platform")]
status = open("/proc/self/status").read()
rss = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"seconds": time.process_time(), "rss": rss, "height": height,
                  "loaded": sorted(loaded), "library": library}))
"""
_LIBRARY: Final = 'import energy_platform as ep\nheight = ep.load("ote_day_ahead_price").height\n'
_POLARS: Final = 'import polars as pl\nheight = pl.read_parquet("{}").height\n'


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> BareEnvironment:
    return made_in(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    example_home.fill(folder)
    return folder


def told(bare: BareEnvironment, code: str, home: Path) -> dict[str, Any]:
    done = bare.run("-c", code + _TELL, ENERGY_PLATFORM_HOME=str(home))
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_it_is_small(bare: BareEnvironment) -> None:
    assert len(bare.packages) <= MOST_PACKAGES, sorted(bare.packages)
    assert not {canonicalize_name(name) for name in NOT_FOR_READERS} & bare.packages
    assert bare.installed_bytes() < MOST_MEGABYTES * 1e6


def test_the_first_table_comes_soon(bare: BareEnvironment, desk: Path) -> None:
    plain = _POLARS.format(desk / "warehouse" / "ote_day_ahead_price" / "*.parquet")
    for code in (_LIBRARY, plain):
        told(bare, code, desk)  # the first start compiles what it imports
    library, polars = ([told(bare, code, desk) for _ in range(3)] for code in (_LIBRARY, plain))
    assert library[0]["height"] > 0
    assert not NOT_FOR_READERS & {*library[0]["loaded"]}
    rooms = {name.split(".")[1] for name in library[0]["library"] if "." in name}
    assert not rooms & {"feeds", "formats", "ingest", "pipeline", "dashboard", "marts"}
    memory = [min(one["rss"] for one in runs) for runs in (library, polars)]
    assert memory[0] <= memory[1] + MOST_RSS_MEGABYTES
    seconds = [min(one["seconds"] for one in runs) for runs in (library, polars)]
    slower = max(1.0, seconds[1] / POLARS_SECONDS)
    assert seconds[0] <= slower * MOST_SECONDS, seconds


def test_the_version_and_types_come_along(bare: BareEnvironment) -> None:
    code = """
        from pathlib import Path
        import energy_platform as ep
        print(ep.__version__)
        print(Path(ep.__file__).with_name("py.typed").exists())
        print(ep.errors.NoPlatformError.__name__)
        """
    done = bare.run("-c", textwrap.dedent(code))
    version, typed, error = done.stdout.split()
    assert re.match(r"\d+\.\d+", version)
    assert (typed, error) == ("True", "NoPlatformError")


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ('ep.connect("bigquery://project/dataset")', "bigquery"),
        ('ep.follow("smard_price")', "follow"),
    ],
)
def test_what_an_extra_brings_is_said_in_one_line(
    code: str, extra: str, bare: BareEnvironment, desk: Path
) -> None:
    wanted = f"""
        import energy_platform as ep
        try:
            {code}
        except ep.errors.MissingExtraError as error:
            print(error)
        """
    done = bare.run("-c", textwrap.dedent(wanted), ENERGY_PLATFORM_HOME=str(desk))
    assert f"pip install 'energy-platform[{extra}]'" in done.stdout, done.stderr
    assert len(done.stdout.splitlines()) == 1


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Yield each command with something for each argument that it wants."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))
        return
    wanted = [one for one in command.params if one.required]
    options = [one.opts[0] for one in wanted if one.param_type_name == "option"]
    arguments = ["smard_price" for one in wanted if one.param_type_name == "argument"]
    yield [*path, *(part for option in options for part in (option, "2026-03-01")), *arguments]


COMMANDS: Final = list(_commands(get_command(app)))


def test_all_commands_are_found() -> None:
    assert {"status", "catalog", "history", "up"} <= {command[0] for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_ends_in_a_traceback(
    command: list[str], bare: BareEnvironment, tmp_path: Path
) -> None:
    done = bare.run(
        "-c",
        "from energy_platform.cli import main; main()",
        *command,
        ENERGY_PLATFORM_HOME=str(tmp_path),
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in {0, 1, 2}, done.stderr
    if "is not installed" in done.stderr:
        assert re.search(r"pip install 'energy-platform\[[a-z]+\]'", done.stderr)


def test_readers_commands_work(bare: BareEnvironment, desk: Path) -> None:
    for command in (["catalog"], ["catalog", "wind"], ["history"]):
        done = bare.run(
            "-c",
            "from energy_platform.cli import main; main()",
            *command,
            ENERGY_PLATFORM_HOME=str(desk),
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_each_extra_is_told_by_the_modules_that_it_brings() -> None:
    homes = metadata.packages_distributions()
    brought = {extra: requirements(extra) for extra in {*EXTRAS.values()}}
    for module, extra in EXTRAS.items():
        names = {canonicalize_name(name) for name in homes[module]}
        assert names & brought[extra], f"{module} does not come with {extra}"
        assert not names & requirements(), f"{module} needs no extra"


def test_every_module_that_is_imported_comes_with_the_library_or_an_extra() -> None:
    homes, plain = metadata.packages_distributions(), requirements()
    pattern = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)
    for file in (ROOT / "energy_platform").rglob("*.py"):
        for module in {*pattern.findall(file.read_text("utf-8"))} & homes.keys():
            names = {canonicalize_name(name) for name in homes[module]}
            is_ours = module in {"energy_platform", "tests"}
            assert is_ours or module in EXTRAS or names & plain, f"{file}: {module}"


@pytest.mark.parametrize(
    "platform",
    [
        "x86_64-apple-darwin",
        "aarch64-apple-darwin",
        "x86_64-pc-windows-msvc",
        "aarch64-unknown-linux-gnu",
    ],
)
def test_the_locked_versions_have_wheels_elsewhere(platform: str) -> None:
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"),
        *("--python-platform", platform, "--python-version", "3.11"),
        *("--only-binary", ":all:", "--constraint", "requirements.lock", "pyproject.toml"),
    ]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "13.0"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    if "error sending request" in done.stderr or "Failed to fetch" in done.stderr:
        pytest.skip("no package index is reachable")
    assert done.returncode == 0, done.stderr
    assert "polars==" in done.stdout
