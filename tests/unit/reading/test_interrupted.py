"""Ctrl-C ends a read at once, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.questions import PRICES, fill_home

_PATIENCE_SECONDS = 100
"""How long a process may take to end, and less than a bucket that never answers is asked."""

_HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""Who is started in the background by a shell would not hear Ctrl-C."""

_ENDLESS = f"""
import itertools
import energy_platform as ep

desk = ep.connect({{home!r}}, cache={{cache!r}})
desk.load("{PRICES}")
try:
    print("reading", flush=True)
    for limit in itertools.count(1):
        desk.load("{PRICES}", limit=limit)
except KeyboardInterrupt:
    print("stopped", desk.load("{PRICES}").height, flush=True)
"""
_UNANSWERED = """
import asyncio
import energy_platform as ep

desk = ep.connect("s3://bucket/desk")
try:
    print("reading", flush=True)
    {read}
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def started(code: str, **variables: str) -> "subprocess.Popen[str]":
    """Start a process that reads, and wait until it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HEARS + code],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    return process


def interrupted(process: "subprocess.Popen[str]") -> str:
    with process:
        process.send_signal(signal.SIGINT)
        try:
            said, _ = process.communicate(timeout=_PATIENCE_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0
    return said


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    home, cache = fill_home(tmp_path / "home"), tmp_path / "cache"
    before = sorted(home.rglob("*"))
    process = started(_ENDLESS.format(home=str(home), cache=str(cache)))
    assert interrupted(process) == "stopped 96\n"
    assert sorted(home.rglob("*")) == before
    assert {file.suffix for file in cache.iterdir()} <= {".arrow", ""}


@pytest.mark.parametrize("read", [f'desk.load("{PRICES}")', f'asyncio.run(desk.aload("{PRICES}"))'])
def test_a_bucket_that_never_answers_is_left(read: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_PATIENCE_SECONDS)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = started(
            _UNANSWERED.format(read=read),
            AWS_ENDPOINT_URL=address,
            AWS_ALLOW_HTTP="true",
            AWS_ACCESS_KEY_ID="reader",
            AWS_SECRET_ACCESS_KEY="reader",
            AWS_REGION="eu-central-1",
        )
        asked, _ = server.accept()
        with asked:
            assert interrupted(process) == "stopped\n"
