"""Recorded payloads, served byte for byte in place of a model.

What they hold is journalled in the rows that the market source itself reads out of them: a replay
tests what lies between the socket and the stores, while parsers have cases of their own.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.market.rows import PROVENANCE_COLUMNS
from energy_platform.pipeline.checks import check_messages
from simulator.world import World


class Recordings:
    """The recorded payloads of one market source; each is journalled when it is first served."""

    def __init__(self, world: World, source: str) -> None:
        self._world = world
        self._source = source
        self._waiting = world.recorded(source)
        self._served: dict[str, bytes] = {}

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._waiting or self._served)

    def answer(self, name: str, context: Mapping[str, str]) -> bytes | None:
        """Return the next payload whose file name contains `name`; the last one again at the end.

        None if there never was one.
        """
        for file in self._waiting:
            if name in file.stem:
                self._waiting.remove(file)
                self._served[name] = file.read_bytes()
                self._journal(self._served[name], context)
                break
        return self._served.get(name)

    def _journal(self, body: bytes, context: Mapping[str, str]) -> None:
        source = market_source(self._source)
        message = RawMessage(
            body=body,
            received_at=datetime.now(UTC),
            context={**source.context, **context},
            landing_offset=0,
        )
        rows = check_messages(source, [message]).rows.drop(PROVENANCE_COLUMNS)
        self._world.journal.emit(self._source, self._world.clock.now(), rows.to_dicts())
