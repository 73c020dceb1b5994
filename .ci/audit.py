"""Looks up every package of a lock among the vulnerabilities that PyPI knows of.

    python .ci/audit.py requirements.lock

pip-audit by itself says "no known vulnerabilities found" of packages that it did not find, too.
This script says how many of how many packages were looked up, and is content only with all of them.

Exit codes: 0 all were looked up and none is known to be vulnerable, 1 some are vulnerable, 2 not
all could be looked up.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

_COMMAND: Final = (
    sys.executable, "-m", "pip_audit", "--vulnerability-service", "pypi", "--format", "json",
    "--progress-spinner", "off", "--disable-pip", "--require-hashes", "--timeout", "30",
)  # fmt: skip
_PATIENCE_SECONDS: Final = 900
_NAMED: Final = 10
_SHOWN: Final = 300
"""How much of an error is shown."""
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


def audit(locks: Sequence[Path], command: Sequence[str] = _COMMAND) -> int:
    """Look up the packages of some locks, print what was found, and return the exit code."""
    # Each on its own: pip-audit refuses files that pin the same package.
    codes = {_audit(lock, command) for lock in locks}
    return next((code for code in (1, 2) if code in codes), 0)


def _audit(lock: Path, command: Sequence[str]) -> int:
    locked = len(set(_PINNED.findall(lock.read_text("utf-8"))))
    try:
        ran = subprocess.run(  # noqa: S603 (this interpreter and a file of the checkout)
            [*command, "--requirement", str(lock)], capture_output=True, text=True, check=False,
            timeout=_PATIENCE_SECONDS, env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        report = json.loads(ran.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return _not_looked_up(lock, locked, f"no answer came within {_PATIENCE_SECONDS} s")
    except (ValueError, KeyError, TypeError):
        said = [line.strip() for line in ran.stderr.splitlines() if line.strip()]
        why = said[-1][:_SHOWN] if said else "pip-audit said nothing"
        return _not_looked_up(lock, locked, why)
    return _told(lock, report)


def _not_looked_up(lock: Path, locked: int, why: str) -> int:
    _print(
        f"{lock.name}: 0 of {locked} packages were looked up, so nothing is known of them: {why}",
        "Run it where https://pypi.org can be reached.",
    )
    return 2


def _told(lock: Path, report: Sequence[dict[str, Any]]) -> int:
    """Print what is known of each package; a package without a version was not found."""
    missing = [one for one in report if "skip_reason" in one]
    vulnerable = [one for one in report if one.get("vulns")]
    for one in vulnerable:
        for found in one["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            _print(f"{one['name']} {one['version']}: {found['id']}, mended in {fixed}")
    looked_up = len(report) - len(missing)
    _print(
        f"{lock.name}: {looked_up} of {len(report)} packages were looked up;"
        f" {len(vulnerable)} of them are known to be vulnerable."
    )
    if missing or not report:
        names = ", ".join(one["name"] for one in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        _print(f"Nothing is known of the others, which were not found: {names}{more}")
    if vulnerable:
        return 1
    return 2 if missing or not report else 0


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(audit([Path(one) for one in sys.argv[1:]]))
