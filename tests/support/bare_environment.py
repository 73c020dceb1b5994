"""An environment with what `pip install energy-platform` brings, and nothing else.

The library is built as a wheel and installed with the versions of the lock, checked by their
hashes; the cache of the installer serves them where it has them.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
_LOCKED: Final = re.compile(r"^([a-z0-9-]+)==[^\n]*\\\n(?:    --hash[^\n]*\n)+", re.MULTILINE)
_INSTALL_SECONDS: Final = 300


@dataclass(frozen=True)
class BareEnvironment:
    """Attributes:
    python: The environment's interpreter.
    folder: Where commands run; nothing of the checkout is below it.
    packages: The names of what is installed beside the library.
    """

    python: Path
    folder: Path
    packages: frozenset[str]

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter, with no variable of this process but those that programs need."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [self.python, *arguments],
            env={**kept, **variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def installed_bytes(self) -> int:
        """Return the size of all that is installed."""
        return sum(
            file.stat().st_size for file in self.python.parents[1].rglob("*") if file.is_file()
        )


def made_in(folder: Path) -> BareEnvironment:
    """Make the environment in an empty folder; skip the test where nothing can be installed."""
    packages = frozenset(requirements())
    locked = _LOCKED.finditer((ROOT / "requirements.lock").read_text())
    (folder / "bare.lock").write_text("".join(one[0] for one in locked if one[1] in packages))
    _run("-m", "uv", "venv", "--quiet", "--python", sys.executable, str(folder / "bare"))
    python = folder / "bare" / "bin" / "python"
    install = ["-m", "uv", "pip", "install", "--quiet", "--python", str(python), "--no-deps"]
    wanted = ["--require-hashes", "--requirement", str(folder / "bare.lock")]
    try:
        _run(*install, *wanted, "--offline")
    except subprocess.CalledProcessError:
        try:
            _run(*install, *wanted)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no package index is reachable: {error.stderr.strip().splitlines()[-1]}")
    _run("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist"), cwd=ROOT)
    [wheel] = (folder / "dist").glob("*.whl")
    _run(*install, "--offline", str(wheel))
    return BareEnvironment(python, folder, packages)


def requirements(*extras: str) -> set[str]:
    """Return the names of all packages that the library needs here, with these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in optional[extra])]
    found: set[str] = set()
    for text in wanted:
        found |= set(_closure(Requirement(text), found))
    return found


def _closure(requirement: Requirement, found: set[str]) -> Iterator[str]:
    """Yield a package and all that it needs, without those that were found before."""
    name = canonicalize_name(requirement.name)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return
    if name in found and not requirement.extras:
        return
    found.add(name)
    yield name
    for text in metadata.requires(name) or ():
        needed = Requirement(text)
        for extra in ("", *requirement.extras):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                needed.marker = None
                yield from _closure(needed, found)
                break


def _run(*arguments: str, cwd: Path | None = None) -> None:
    subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=True,
    )
