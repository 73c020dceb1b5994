"""The names of the streams in a Valkey."""

from typing import Final

PREFIX: Final = "energy_platform:live:"


def stream(source: str) -> str:
    """Return the name of a source's stream."""
    return f"{PREFIX}{source}"


def source_of(stream_name: bytes) -> str:
    """Return the source whose stream has this name."""
    return stream_name.decode().removeprefix(PREFIX)
