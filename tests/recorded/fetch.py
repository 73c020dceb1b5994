"""Fetches the recorded replies from the public repositories that have them.

    python -m tests.recorded.fetch ../shared/payloads

A file that is there already, or whose bytes are not those of the manifest, is left as it is and
named. What is no copy of a public file can't be fetched, and is named too.
"""

import hashlib
import sys
from pathlib import Path

import httpx

from tests.recorded.manifest import RecordedFile, manifest

_TIMEOUT_SECONDS = 30.0


def fetch(client: httpx.Client, file: RecordedFile, folder: Path) -> str:
    """Fetch one file; return what came of it."""
    target = folder / file.name
    if target.exists():
        return "there"
    if file.url is None:
        return f"no copy of a public file: {file.made}"
    answer = client.get(file.url)
    if answer.is_error:
        return f"refused with status {answer.status_code}: {file.url}"
    digest = hashlib.sha256(answer.content).hexdigest()
    if digest != file.sha256:
        return f"other bytes than the manifest's: SHA-256 {digest}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(answer.content)
    return "fetched"


def main(folder: Path) -> int:
    """Fetch all files; return how many that have an address are still missing."""
    with httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=True) as client:
        said = {file: fetch(client, file, folder) for file in manifest()}
    for file, what in said.items():
        print(f"{file.name}: {what}")  # noqa: T201 (a script's output)
    return sum(file.url is not None and not (folder / file.name).exists() for file in said)


if __name__ == "__main__":
    sys.exit(min(main(Path(sys.argv[1])), 1))
