"""The recorded replies are what the manifest says, and each has a twin in every clone."""

import hashlib
from pathlib import Path

import httpx
import pytest

from tests.recorded.fetch import fetch
from tests.recorded.manifest import (
    CHECKOUT,
    FOLDER,
    RecordedFile,
    manifest,
    needs_recorded,
    occurrences,
)

FILES = manifest()


def test_the_manifest_names_no_file_twice() -> None:
    assert len({file.name for file in FILES}) == len(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_recorded_reply_has_an_origin_and_a_twin(file: RecordedFile) -> None:
    assert file.made or (file.repository and file.commit and file.path and file.licence)
    assert bool(file.twin) != bool(file.unread)
    assert (CHECKOUT / file.twin).exists(), f"{file.twin} is missing"


@needs_recorded
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_recorded_reply_is_what_the_manifest_says(file: RecordedFile) -> None:
    """Where the folder is there, a file that is missing fails instead of being skipped."""
    body = (FOLDER / file.name).read_bytes()
    assert hashlib.sha256(body).hexdigest() == file.sha256
    assert occurrences(file.pattern, body) == file.count


@needs_recorded
def test_no_recorded_reply_is_left_out() -> None:
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert there - {"README.md"} == {file.name for file in FILES}


@needs_recorded
def test_no_recorded_reply_is_in_the_project() -> None:
    """None of them comes into the project's own tree, under whatever name."""
    digests = {file.sha256 for file in FILES if file.count}
    cases = (CHECKOUT / "tests" / "testcases").rglob("payload*")
    assert not digests & {hashlib.sha256(path.read_bytes()).hexdigest() for path in cases}


BODY = b"<Point/>"
HERE = RecordedFile(
    name="a/reply.xml",
    repository="owner/name",
    commit="0123456789",
    path="tests/reply.xml",
    licence="MIT",
    sha256=hashlib.sha256(BODY).hexdigest(),
    counted="points",
    pattern="<Point",
    count=1,
)


def server(body: bytes, status: int = 200) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/owner/name/0123456789/tests/reply.xml"
        return httpx.Response(status, content=body)

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_a_fetched_reply_is_kept_if_its_bytes_are_the_manifests(tmp_path: Path) -> None:
    assert fetch(server(BODY), HERE, tmp_path) == "fetched"
    assert (tmp_path / "a" / "reply.xml").read_bytes() == BODY
    assert fetch(server(b""), HERE, tmp_path) == "there"


@pytest.mark.parametrize(
    ("client", "says"),
    [(server(b"<html>"), "other bytes"), (server(b"", 404), "refused with status 404")],
    ids=["other bytes", "not found"],
)
def test_other_bytes_are_not_kept(tmp_path: Path, client: httpx.Client, says: str) -> None:
    assert fetch(client, HERE, tmp_path).startswith(says)
    assert not (tmp_path / "a").exists()
