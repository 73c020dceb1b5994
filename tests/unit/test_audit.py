"""The audit says how many packages it looked up, and is never content with fewer than all."""

import json
import runpy
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from energy_platform.operations.supervision.plan import PROJECT

SCRIPT = PROJECT / ".ci" / "audit.py"
audit = cast("Callable[..., int]", runpy.run_path(str(SCRIPT))["audit"])

HASH = "--hash=sha256:" + "0" * 64
SOUND = {"name": "polars", "version": "2.1.0", "vulns": []}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI"}
VULNERABLE = {
    "name": "lxml", "version": "6.1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["6.1.1"]}],
}  # fmt: skip


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.lock"
    file.write_text(f"lxml==6.1.0 \\\n    {HASH}\npolars==2.1.0 \\\n    {HASH}\n    # via us\n")
    return file


def tool(stdout: str, stderr: str = "", code: int = 0) -> Sequence[str]:
    """Return a command that stands in for pip-audit."""
    program = (
        f"import sys; sys.stdout.write({stdout!r}); sys.stderr.write({stderr!r}); sys.exit({code})"
    )
    return (sys.executable, "-c", program)


def report(*packages: dict[str, Any]) -> Sequence[str]:
    return tool(json.dumps({"dependencies": packages, "fixes": []}), "No known vulnerabilities")


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([SOUND, SOUND], 0, "2 of 2 packages were looked up; 0 of them"),
        ([SOUND, UNKNOWN], 2, "1 of 2 packages were looked up; 0 of them"),
        ([SOUND, UNKNOWN], 2, "which were not found: ours"),
        ([UNKNOWN] * 12, 2, "0 of 12 packages were looked up"),
        ([UNKNOWN] * 12, 2, " and 2 more"),
        ([SOUND, VULNERABLE], 1, "lxml 6.1.0: PYSEC-1, mended in 6.1.1"),
        ([UNKNOWN, VULNERABLE], 1, "1 of 2 packages were looked up; 1 of them"),
        ([], 2, "0 of 0 packages were looked up"),
    ],
)
def test_it_says_how_many_were_looked_up(
    lock: Path, capsys: pytest.CaptureFixture[str], packages: list[Any], code: int, said: str
) -> None:
    assert audit([lock], report(*packages)) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (tool("", "Traceback…\nProxyError: no route\n", 1), "ProxyError: no route"),
        (tool("", "", 1), "pip-audit said nothing"),
        (tool("[]"), "pip-audit said nothing"),
        (tool("", "No module named pip_audit", 1), "No module named pip_audit"),
    ],
)
def test_a_tool_that_could_not_look_is_no_good_news(
    lock: Path, capsys: pytest.CaptureFixture[str], command: Sequence[str], why: str
) -> None:
    assert audit([lock], command) == 2
    assert f"0 of 2 packages were looked up, so nothing is known of them: {why}" in (
        capsys.readouterr().out
    )


def test_each_lock_is_looked_up_on_its_own(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """pip-audit refuses two files that pin the same package."""
    other = lock.with_name("other.lock")
    other.write_text(lock.read_text())
    program = (
        "import json, sys; files = [a for a in sys.argv if a.endswith('.lock')];"
        "sys.exit('two files') if len(files) != 1 else"
        f" print(json.dumps({{'dependencies': [{SOUND!r}]}}))"
    )
    assert audit([lock, other], (sys.executable, "-c", program)) == 0
    assert capsys.readouterr().out.count("1 of 1 packages were looked up") == 2
    assert audit([lock, other], report(UNKNOWN)) == 2


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A way to PyPI that answers no question; yields what it was asked."""
    lines: list[bytes] = []

    class Refusing(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines.append(self.rfile.readline())
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_address[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield lines
        server.shutdown()


def test_a_service_that_does_not_answer_is_no_good_news(
    lock: Path,
    asked: list[bytes],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("pip_audit", reason="pip-audit is not installed: make up")
    for name in ("PIP_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(lock.parent / "cache"))  # nothing was ever looked up
    assert audit([lock]) == 2
    assert "0 of 2 packages were looked up" in capsys.readouterr().out
    assert asked, "it was asked"
    assert all(line.startswith(b"CONNECT pypi.org:443 ") for line in asked)
