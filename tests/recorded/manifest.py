"""The recorded replies that tests read: which there are, where they lie, and what they must be.

The replies themselves are no part of the project. They lie in a folder beside the checkout, or
where `ENERGY_PLATFORM_RECORDED` says; without that folder their tests are skipped.
"""

import os
import re
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
FOLDER = Path(
    os.environ.get("ENERGY_PLATFORM_RECORDED") or CHECKOUT.parent / "shared" / "payloads"
).absolute()

needs_recorded = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the recorded replies are not beside the checkout"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile:
    """One recorded reply.

    Attributes:
        name: Its path below the folder of recorded replies.
        repository: The public repository that has it, as owner/name; empty where none has.
        commit: The commit it was taken from.
        path: Its path there.
        licence: The licence of that repository.
        made: How it was made, where it is no copy of a file.
        sha256: The digest of its bytes.
        counted: What `pattern` counts, e.g. `points`.
        pattern: A regular expression over its text, that of an archive's members included.
        count: How often the pattern occurs.
        twin: The test case, or the tests, of our own making that stand for it in every clone.
        unread: Why it has no twin.
    """

    name: str
    sha256: str
    counted: str
    pattern: str
    count: int
    repository: str = ""
    commit: str = ""
    path: str = ""
    licence: str = ""
    made: str = ""
    twin: str = ""
    unread: str = ""

    @property
    def url(self) -> str | None:
        """Return the address of a byte copy; None where the file is no copy."""
        if not self.repository or self.made:
            return None
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{self.path}"


@cache
def manifest() -> list[RecordedFile]:
    """Return every recorded reply, in the order of the manifest."""
    text = Path(__file__).with_suffix(".toml").read_text("utf-8")
    return [RecordedFile(**entry) for entry in tomllib.loads(text)["file"]]


def occurrences(pattern: str, body: bytes) -> int:
    """Count a pattern in a reply, in the members of an archive, without the project's parsers."""
    if body.startswith(b"PK"):
        with zipfile.ZipFile(BytesIO(body)) as archive:
            body = b"".join(archive.read(name) for name in archive.namelist())
    return len(re.findall(pattern.encode(), body))
