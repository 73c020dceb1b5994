"""STOMP 1.2 as a server in SockJS speaks it; written from the specifications of both.

The client has its own codec on purpose: what one of them misreads, the other refuses.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

_NUL: Final = "\0"
_BLANK_LINE: Final = re.compile(r"\r?\n\r?\n")
_ESCAPED: Final = {"\\": r"\\", "\r": r"\r", "\n": r"\n", ":": r"\c"}
_MEANT: Final = {r"\\": "\\", r"\r": "\r", r"\n": "\n", r"\c": ":"}
_TO_ESCAPED: Final = str.maketrans(_ESCAPED)
_TAKEN_AS_THEY_ARE: Final = ("CONNECT", "STOMP", "CONNECTED")
"""Commands whose headers have no escapes, as in STOMP 1.0."""


class BadFrameError(ValueError):
    """A client sent something that is not a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its command, its headers, its body."""

    command: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def text(self) -> str:
        """Return the frame as it is sent."""
        headers = {**self.headers}
        if self.body:
            headers["content-length"] = str(len(self.body.encode()))
        lines = [f"{name}:{value}" for name, value in headers.items()]
        if self.command not in _TAKEN_AS_THEY_ARE:
            lines = [
                f"{name.translate(_TO_ESCAPED)}:{value.translate(_TO_ESCAPED)}"
                for name, value in headers.items()
            ]
        return "\n".join([self.command, *lines, "", self.body]) + _NUL


def server_message(*frames: Frame) -> str:
    """Return the SockJS message by which a server sends frames."""
    return "a" + json.dumps([frame.text() for frame in frames])


def client_frames(message: str) -> list[Frame]:
    """Read a SockJS message of a client: an array of texts, each with frames or a line feed.

    Raises:
        BadFrameError: It is something else.
    """
    try:
        texts = json.loads(message)
    except json.JSONDecodeError as error:
        raise BadFrameError("no JSON") from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadFrameError("no array of texts")
    return [frame for text in texts for frame in _frames(text)]


def _frames(text: str) -> Iterator[Frame]:
    left = text
    while left := left.lstrip("\r\n"):
        head, *behind = _BLANK_LINE.split(left, maxsplit=1)
        if not behind:
            raise BadFrameError("headers without an end")
        command, *lines = head.replace("\r\n", "\n").split("\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise BadFrameError(f"a header without a colon: {line}")
            if command not in _TAKEN_AS_THEY_ARE:
                name, value = _meant(name), _meant(value)
            headers.setdefault(name, value)  # the first of a name counts
        body, left = _body(behind[0], headers.get("content-length"))
        yield Frame(command, headers, body)


def _body(after: str, length: str | None) -> tuple[str, str]:
    """Return a body and what follows the NUL behind it; its length is counted in bytes."""
    if length is None:
        body, end, rest = after.partition(_NUL)
        if not end:
            raise BadFrameError("a body without an end")
        return body, rest
    octets = after.encode()
    if not length.isdecimal() or octets[int(length) : int(length) + 1] != _NUL.encode():
        raise BadFrameError(f"a body that is not {length} bytes long")
    return octets[: int(length)].decode(), octets[int(length) + 1 :].decode()


def _meant(text: str) -> str:
    """Return a name or value without its escapes."""
    parts, rest = [], text
    while rest:
        plain, backslash, escaped = rest.partition("\\")
        parts.append(plain)
        if backslash:
            pair = backslash + escaped[:1]
            if pair not in _MEANT:
                raise BadFrameError(f"no such escape: {pair}")
            parts.append(_MEANT[pair])
        rest = escaped[1:]
    return "".join(parts)
