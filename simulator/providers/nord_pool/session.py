"""One client of the simulated exchange: its subscriptions, and the messages queued for it.

Faults of a stream are applied here, to the messages. The exchange makes the messages.
"""

import asyncio
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.faults import FaultKind
from simulator.providers.nord_pool.stomp import Frame, server_message
from simulator.world import World

_QUEUED_FRAMES: Final = 20_000
_OWN_FAULTS: Final = (FaultKind.CUT, FaultKind.HANG, FaultKind.TRUNCATED, FaultKind.SERVER_ERROR)


class CutError(Exception):
    """The connection is to be closed without a closing frame."""


@dataclass(slots=True)
class Sent:
    """Text for the socket, and whether the session stalls or ends with it."""

    text: str
    pause_seconds: float = 0.0
    cut: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is an array of frames, and nothing else happens."""
        return self.text.startswith("a") and not self.cut and not self.pause_seconds


@dataclass(slots=True)
class Subscription:
    """One subscription of a session."""

    id: str
    destination: str
    sequence_no: int = 0


@dataclass(slots=True, eq=False)
class SockJsSession:
    """One client: its subscriptions, and the messages queued for it."""

    world: World
    user: str = ""
    token_ends: float = 0.0
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    outgoing: asyncio.Queue[Sent] = field(default_factory=lambda: asyncio.Queue(_QUEUED_FRAMES))
    held: Sent | None = None

    def listens_to(self, topic: str) -> Subscription | None:
        """Return the subscription to a topic, in whichever version."""
        return next(
            (one for one in self.subscriptions.values() if topic_of(one.destination) == topic), None
        )

    def message(
        self, subscription: Subscription, body: str, sent_ms: int, *, is_snapshot: bool
    ) -> str:
        """Return the next message of a subscription."""
        subscription.sequence_no += 1
        return server_message(
            Frame(
                command="MESSAGE",
                headers={
                    "subscription": subscription.id,
                    "destination": subscription.destination,
                    "message-id": f"{subscription.id}-{subscription.sequence_no}",
                    "content-type": "application/json;charset=UTF-8",
                    "x-nps-snapshot": str(is_snapshot).lower(),
                    "x-nps-sequenceNo": str(subscription.sequence_no),
                    "x-nps-sent-at": str(sent_ms),
                },
                body=body,
            )
        )

    def send(self, sent: Sent) -> None:
        """Queue a message; a client that doesn't read is disconnected."""
        try:
            self.outgoing.put_nowait(sent)
        except asyncio.QueueFull:
            self.outgoing = asyncio.Queue()
            self.outgoing.put_nowait(Sent("", cut=True))

    async def take(self) -> list[Sent]:
        """Wait for something to send, and return all there is; frames share arrays, as in SockJS.

        Each write to a socket lets other threads run; with one write per frame the session would
        fall behind a busy market.
        """
        taken = [await self.outgoing.get()]
        while not self.outgoing.empty():
            taken.append(self.outgoing.get_nowait())
        return list(_joined(taken))

    def deliver(self, source: str, topic: str, rows: Sequence[Any], sent_ms: int) -> bool:
        """Send a delta to the subscription of a topic; say whether the client gets it."""
        subscription = self.listens_to(topic)
        if subscription is None or subscription.sequence_no == 0:
            return False
        faults = self.world.faults
        if faults.take(source, FaultKind.MALFORMED):
            self.send(Sent(self.message(subscription, '[{"rows":', sent_ms, is_snapshot=False)))
        if faults.take(source, FaultKind.BAD_ROW):
            bad = json.dumps([_spoilt(rows[0])])
            self.send(Sent(self.message(subscription, bad, sent_ms, is_snapshot=False)))
        text = self.message(subscription, json.dumps(rows), sent_ms, is_snapshot=False)
        if faults.take(source, FaultKind.SEQUENCE_GAP):
            return False
        if self._ends_badly(source, text):
            return False
        if self.held is None and faults.take(source, FaultKind.REORDERED):
            self.held = Sent(text)
            return True
        self.send(Sent(text))
        if faults.take(source, FaultKind.DUPLICATE):
            self.send(Sent(text))
        self.release()
        return True

    def release(self) -> None:
        """Send the message that was held back to arrive after its successor."""
        if self.held is not None:
            self.send(self.held)
            self.held = None

    def _ends_badly(self, source: str, text: str) -> bool:
        fault = self.world.faults.take(source, *_OWN_FAULTS)
        if fault is None:
            return False
        match fault.kind:
            case FaultKind.HANG:
                self.send(Sent("", pause_seconds=fault.seconds, cut=True))
            case FaultKind.TRUNCATED:
                self.send(Sent(text[: len(text) // 2], cut=True))
            case FaultKind.SERVER_ERROR:
                error = Frame(command="ERROR", headers={"message": "internal error"})
                self.send(Sent(server_message(error), cut=True))
            case _:
                self.send(Sent("", cut=True))
        return True


def _joined(sent: Iterable[Sent]) -> Iterator[Sent]:
    for plain, group in itertools.groupby(sent, lambda one: one.is_plain):
        if plain:
            yield Sent("a[" + ",".join(one.text[2:-1] for one in group) + "]")
        else:
            yield from group


def topic_of(destination: str) -> str:
    """Return a destination's topic, without the user, the version and the mode."""
    return destination.split("/", 5)[5] if destination.count("/") > 4 else ""  # noqa: PLR2004 (/user/<user>/<version>/<mode>/<topic>)


def _spoilt(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a bad row of any topic: its volume or its length is below zero."""
    if "dlvryStart" in row:
        return {**row, "contractId": f"{row['contractId']}-bad", "durationSeconds": -1}
    if "legs" in row:
        legs = [{**leg, "quantity": -1} for leg in row["legs"]]
        return {**row, "tradeId": f"{row['tradeId']}-bad", "legs": legs}
    return {
        **row,
        "buyOrders": [{**order, "orderId": "bad", "qty": -1} for order in row["buyOrders"]],
        "sellOrders": [{**order, "orderId": "bad", "qty": -1} for order in row["sellOrders"]],
    }
