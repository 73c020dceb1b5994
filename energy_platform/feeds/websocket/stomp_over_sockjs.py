"""STOMP 1.2 frames inside SockJS messages: text to frames and back, no sockets.

SockJS wraps what a server sends: `o` opens, `h` is a heartbeat, `a["...", ...]` holds any number
of strings, `c[code,"reason"]` closes. A client sends a bare array. Each string holds STOMP frames
that end with NUL, with newlines between them as heartbeats.

The codec of stomp.py is not used: it writes headers without their escapes, so a value may smuggle
in another header; it cuts frames at the first NUL whatever their content-length; and importing it
asks the name service for the host's name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from energy_platform.errors import FeedError

HEARTBEAT: Final = json.dumps(["\n"])
"""What a client sends regularly, so that the server knows it is alive."""

_NUL: Final = b"\x00"
_LONGEST_LENGTH: Final = 18
"""The digits of a content-length; of thousands, Python would make no number."""
_UNESCAPED_COMMANDS: Final = frozenset({"CONNECT", "CONNECTED"})
_ESCAPES: Final = {"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c"}
_UNESCAPES: Final = {escaped: character for character, escaped in _ESCAPES.items()}


class FramingError(FeedError):
    """The server broke the rules of SockJS or STOMP; nothing after this can be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StompFrame:
    """One STOMP frame.

    Attributes:
        command: `CONNECT`, `MESSAGE` and so on.
        headers: Header names and values, unescaped; the first of a repeated header counts.
        body: The body's bytes.
    """

    command: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Opened:
    """SockJS: the session is open; CONNECT may be sent."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """SockJS: the server is alive and has nothing to send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """SockJS: the server ends the session."""

    code: int
    reason: str


SockJsMessage = Opened | Heartbeat | Closed | tuple[StompFrame, ...]


def encode(*frames: StompFrame) -> str:
    """Return the SockJS message by which a client sends these frames."""
    return json.dumps([stomp_text(frame) for frame in frames])


def decode(message: str) -> SockJsMessage:
    """Read one SockJS message of a server.

    Returns:
        What the message says; for an array, the STOMP frames of all its strings, in order.

    Raises:
        FramingError: It is no SockJS message, or holds something other than STOMP frames.
    """
    match message[:1]:
        case "o":
            return Opened()
        case "h":
            return Heartbeat()
        case "c":
            match _payload(message):
                case [int(code), str(reason)]:
                    return Closed(code=code, reason=reason)
        case "a":
            payload = _payload(message)
            if isinstance(payload, list) and all(isinstance(text, str) for text in payload):
                return tuple(frame for text in payload for frame in stomp_frames(text))
    raise FramingError(f"not a SockJS message: {message[:40]!r}")


def stomp_text(frame: StompFrame) -> str:
    """Return a frame as text for a SockJS string; a body gets its content-length."""
    headers = dict(frame.headers)
    if frame.body:
        headers["content-length"] = str(len(frame.body))
    if frame.command not in _UNESCAPED_COMMANDS:
        headers = {_escaped(name): _escaped(value) for name, value in headers.items()}
    elif any(set("\r\n") & {*name, *value} for name, value in headers.items()):
        raise FramingError(f"a header of {frame.command} can't hold a line break")
    lines = [frame.command, *(f"{name}:{value}" for name, value in headers.items()), "", ""]
    return "\n".join(lines) + frame.body.decode() + "\x00"


def stomp_frames(text: str) -> Iterator[StompFrame]:
    """Yield the frames in one SockJS string; newlines between them are heartbeats.

    Raises:
        FramingError: A frame is cut off, or a header is malformed.
    """
    try:
        rest = text.encode().lstrip(b"\r\n")
    except UnicodeEncodeError:
        raise FramingError("a STOMP frame holds half of a character") from None
    while rest:
        head, blank, after = _partition(rest)
        if not blank:
            raise FramingError("a STOMP frame ends within its headers")
        command, *lines = head.decode().replace("\r\n", "\n").split("\n")
        headers = _headers(command, lines)
        length = headers.get("content-length")
        if length is None:
            end = after.find(_NUL)
        elif length.isascii() and length.isdigit() and len(length) <= _LONGEST_LENGTH:
            end = int(length)
        else:
            raise FramingError("a STOMP frame has no usable content-length")
        if end < 0 or after[end : end + 1] != _NUL:
            raise FramingError(f"a STOMP {command} frame does not end where it should")
        yield StompFrame(command=command, headers=headers, body=after[:end])
        rest = after[end + 1 :].lstrip(b"\r\n")


def _partition(frame: bytes) -> tuple[bytes, bytes, bytes]:
    """Split at the blank line that ends the headers; lines may end with CR LF."""
    blank = re.search(rb"\r?\n\r?\n", frame)
    if blank is None:
        return frame, b"", b""
    return frame[: blank.start()], blank.group(), frame[blank.end() :]


def _headers(command: str, lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise FramingError(f"a header line of a STOMP {command} frame has no colon")
        if command not in _UNESCAPED_COMMANDS:
            name, value = _unescaped(name), _unescaped(value)
        headers.setdefault(name, value)
    return headers


def _payload(message: str) -> object:
    try:
        return json.loads(message[1:])
    except (ValueError, RecursionError) as error:
        raise FramingError(f"a SockJS message is not valid JSON: {error}") from None


def _escaped(text: str) -> str:
    return re.sub(r"[\\\r\n:]", lambda found: _ESCAPES[found.group()], text)


def _unescaped(text: str) -> str:
    try:
        return re.sub(r"\\.?", lambda found: _UNESCAPES[found.group()], text, flags=re.DOTALL)
    except KeyError as error:
        raise FramingError(f"{error} is no escape in a STOMP header") from None
