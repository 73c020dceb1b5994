"""Ctrl-C ends a read at once, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.questions import PRICES, fill_home

_PATIENCE_SECONDS = 100
"""How long a process may take to end, and less than a bucket that never answers is asked."""

_AGAIN_SECONDS = 20
_HEARS = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
    """Send Ctrl-C until the process hears it, and return what it said.

    Python drops a signal that arrives while it cleans up an object.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    with process:
        try:
            while time.monotonic() < give_up_at:
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    said, _ = process.communicate(timeout=_AGAIN_SECONDS)
                    assert process.returncode == 0
                    return said
        finally:
            process.kill()
    raise TimeoutError("the process heard no signal")


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
