"""A digest of Python files, which tells whether what they make may have changed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def code_digest(root: Path, folders: Iterable[str]) -> str:
    """Return a digest of the names and contents of all Python files in folders below a root."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in folders for file in (root / folder).rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
