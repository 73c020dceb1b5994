"""STOMP in SockJS: frames to text and back, and what must be refused."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.feeds.websocket.stomp_over_sockjs import (
    Closed,
    FramingError,
    Heartbeat,
    Opened,
    StompFrame,
    decode,
    encode,
    stomp_frames,
    stomp_text,
)
from tests.recorded.manifest import FOLDER, needs_recorded

TRANSCRIPT = FOLDER / "nord_pool_intraday_transcript_synthetic.txt"

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = any_text.filter(lambda name: name != "content-length")
frames = st.builds(
    StompFrame,
    command=st.sampled_from(["MESSAGE", "SEND", "SUBSCRIBE", "ERROR"]),
    headers=st.dictionaries(names, any_text, max_size=4),
    body=any_text.map(str.encode),
)


def array(*texts: str) -> str:
    return "a" + json.dumps(list(texts))


@given(st.lists(frames, max_size=4))
def test_frames_survive_the_wire(sent: list[StompFrame]) -> None:
    received = decode("a" + encode(*sent))
    assert isinstance(received, tuple)
    assert [(one.command, one.body) for one in received] == [(o.command, o.body) for o in sent]
    for one, original in zip(received, sent, strict=True):
        without_length = {n: v for n, v in one.headers.items() if n != "content-length"}
        assert without_length == original.headers


@given(st.lists(frames, min_size=1, max_size=4), st.lists(st.sampled_from(["\n", "\r\n"])))
def test_several_frames_and_heartbeats_fit_in_one_string(
    sent: list[StompFrame], beats: list[str]
) -> None:
    text = "".join(beats) + "".join(stomp_text(frame) + "".join(beats) for frame in sent)
    assert [frame.body for frame in stomp_frames(text)] == [frame.body for frame in sent]


def test_every_string_of_an_array_is_read() -> None:
    first, second = (StompFrame(command="MESSAGE", body=body) for body in (b"1", b"2"))
    received = decode(array(stomp_text(first), "\n", stomp_text(second)))
    assert isinstance(received, tuple)
    assert [frame.body for frame in received] == [b"1", b"2"]


def test_a_body_with_nul_needs_its_length() -> None:
    [frame] = stomp_frames("MESSAGE\ncontent-length:3\n\na\x00b\x00\n")
    assert frame.body == b"a\x00b"
    with pytest.raises(FramingError):
        list(stomp_frames("MESSAGE\ncontent-length:1\n\na\x00b\x00"[:-3] + "xx\x00"))


def test_lengths_count_bytes_not_characters() -> None:
    text = stomp_text(StompFrame(command="SEND", body="°C".encode()))
    assert "content-length:3" in text
    [frame] = stomp_frames(text)
    assert frame.body.decode() == "°C"


def test_lines_may_end_with_carriage_return() -> None:
    [frame] = stomp_frames("MESSAGE\r\nsubscription:sub-1\r\n\r\n[]\x00")
    assert (frame.headers, frame.body) == ({"subscription": "sub-1"}, b"[]")


def test_a_blank_line_in_the_body_belongs_to_it() -> None:
    [frame] = stomp_frames("MESSAGE\na:b\n\none\r\n\r\ntwo\x00")
    assert frame.body == b"one\r\n\r\ntwo"


def test_of_a_repeated_header_the_first_counts() -> None:
    [frame] = stomp_frames("MESSAGE\nfoo:first\nfoo:second\n\n\x00")
    assert frame.headers == {"foo": "first"}


def test_header_values_cannot_smuggle_in_a_header() -> None:
    text = stomp_text(StompFrame(command="SUBSCRIBE", headers={"id": "1\nreceipt:x"}))
    assert "1\\nreceipt\\cx" in text
    with pytest.raises(FramingError, match="line break"):
        stomp_text(StompFrame(command="CONNECT", headers={"X-AUTH-TOKEN": "a\nb:c"}))


def test_connect_headers_are_not_escaped() -> None:
    assert "a:b:c" in stomp_text(StompFrame(command="CONNECT", headers={"a": "b:c"}))
    [frame] = stomp_frames("CONNECTED\nserver:a:b\\c\n\n\x00")
    assert frame.headers == {"server": "a:b\\c"}


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("o", Opened()),
        ("h", Heartbeat()),
        ('c[3000,"Go away!"]', Closed(code=3000, reason="Go away!")),
        ("a[]", ()),
        (array("\n"), ()),
    ],
)
def test_what_sockjs_says(message: str, meaning: object) -> None:
    assert decode(message) == meaning


@pytest.mark.parametrize(
    "message",
    [
        "",
        "x",
        "a",
        "a{}",
        "a[1]",
        'a["MESS',
        "c[]",
        'c["no","code"]',
        array("MESSAGE\n"),
        array("MESSAGE\n\nno end"),
        array("MESSAGE\nno colon\n\n\x00"),
        array("MESSAGE\nbad:\\t\n\n\x00"),
        array("MESSAGE\nbad:ends\\\n\n\x00"),
        array("MESSAGE\ncontent-length:-1\n\nab\x00"),
        array("MESSAGE\ncontent-length:99\n\nab\x00"),
        array("MESSAGE\ncontent-length:1\n\nab\x00"),
        'a["\\ud800"]',
        pytest.param(f"a{'[' * 200_000}", id="nested"),
        pytest.param(array(f"MESSAGE\ncontent-length:{'9' * 5_000}\n\nab\x00"), id="length"),
        pytest.param(array("CONNECTED\n" + "x:y\n" * 20_000), id="headers without end"),
    ],
)
def test_what_breaks_the_rules_is_refused(message: str) -> None:
    with pytest.raises(FramingError):
        decode(message)


@given(st.text(max_size=40))
def test_no_text_does_worse_than_being_refused(message: str) -> None:
    for text in (message, f"a{message}", array(message)):
        with contextlib.suppress(FramingError):
            decode(text)


@needs_recorded
def test_the_transcript_of_a_session() -> None:
    lines = TRANSCRIPT.read_text().splitlines()
    received = [decode(line[2:]) for line in lines if line.startswith("< ")]
    assert received[0] == Opened()
    assert received[-1] == Heartbeat()
    [connected], [snapshot], [delta] = (one for one in received if isinstance(one, tuple))
    assert connected.command == "CONNECTED"
    assert snapshot.headers["x-nps-snapshot"] == "true"
    assert [frame.headers["x-nps-sequenceNo"] for frame in (snapshot, delta)] == ["1", "2"]
    assert json.loads(delta.body)[0]["buyOrders"][0]["deleted"] is True
    # The transcript's SEND frames carry lengths that are invented, too.
    sent = [decode("a" + line[2:]) for line in lines if line.startswith(('> ["CONN', '> ["SUB'))]
    commands = [frame.command for one in sent if isinstance(one, tuple) for frame in one]
    assert commands == ["CONNECT", "SUBSCRIBE"]
