"""The Met Office's open data as it is met on the wire: files on S3, pushed announcements by SNS.

SNS asks the endpoint for confirmation first; nothing is published before. A push that isn't taken
is tried again for as long as SNS does by its longest policy. After a restart the newest files are
in the bucket again, and announced again: what was under way when the simulator died isn't lost.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
from starlette.routing import BaseRoute

from simulator.faults import FaultKind
from simulator.providers.met_office.schedule import (
    STEP_OF_A_BAD_ROW,
    STEP_OF_GARBAGE,
    Issue,
    issues,
)
from simulator.sns_sender import SnsSender
from simulator.world import World

SOURCE: Final = "met_office_forecast"

_BUCKET: Final = "met-office-atmospheric-model-data"
_REGION: Final = "eu-west-2"
_TOPIC_ARN: Final = f"arn:aws:sns:{_REGION}:633885181284:{_BUCKET}-object_created"
_ENDPOINT: Final = "http://127.0.0.1:8472"
"""Where the platform listens for this topic by default."""

_RETRY_SECONDS: Final = 2.0
_RETRIES: Final = 1_800
_WIND_SPEED: Final = "wind_speed_at_10m"
_AT_THE_START: Final = timedelta(minutes=10)
_KEPT_FOR: Final = timedelta(hours=3)
_HEAD_BYTES: Final = 1_000
_KEPT_FILES: Final = 300
_PUSHES: Final = 8
_REORDERED_BY_SECONDS: Final = 2.0


class MetOffice:
    """The Met Office's bucket and topic."""

    name = "met_office"
    models = frozenset({SOURCE})

    def __init__(self, world: World) -> None:
        self._world = world
        self._sender = SnsSender(
            topic_arn=_TOPIC_ARN,
            endpoint=lambda: world.endpoint(SOURCE),
            retries=_RETRIES,
            retry_seconds=_RETRY_SECONDS,
        )

    def addresses(self) -> Mapping[str, str]:
        """Map the bucket and SNS to the simulator, and the endpoint to any free port."""
        return {
            f"https://{_BUCKET}.s3.{_REGION}.amazonaws.com": f"{self._world.amazon_url}/{_BUCKET}",
            f"https://sns.{_REGION}.amazonaws.com": f"{self._world.url}/{self.name}",
            _ENDPOINT: f"http://{self._world.collector_host}:0",
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return what SNS serves itself."""
        return self._sender.routes()

    async def run(self) -> None:
        """Serve the bucket, and publish files, until cancelled."""
        # moto takes two seconds to import; only the running simulator should pay.
        from simulator import amazon  # noqa: PLC0415

        world = self._world
        async with amazon.serving(
            world,
            bucket=_BUCKET,
            next_fault=lambda: world.faults.take(SOURCE, *amazon.WIRE_FAULTS),
        ) as url:
            s3 = amazon.client(url, "s3", _REGION)
            await asyncio.to_thread(
                s3.create_bucket,
                Bucket=_BUCKET,
                CreateBucketConfiguration={"LocationConstraint": _REGION},
            )
            async with asyncio.TaskGroup() as tasks:
                await _Publisher(world, s3, self._sender, tasks).run()


PROVIDER: Final = MetOffice


class _Publisher:
    """Puts one file after the other into the bucket, and has each announced."""

    def __init__(
        self,
        world: World,
        s3: Any,  # noqa: ANN401 (boto3 ships no types)
        sender: SnsSender,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._world = world
        self._s3 = s3
        self._sender = sender
        self._tasks = tasks
        self._pushing = asyncio.Semaphore(_PUSHES)
        self._keys: deque[str] = deque()

    async def run(self) -> None:
        """Publish until cancelled."""
        await self._sender.subscribe()
        await self._sender.confirmed.wait()
        first, last = self._world.journal.market_times(SOURCE) or (None, None)
        if first is not None and last is not None:
            # What was there before this world began was never announced, and is not now.
            since = max(last - _KEPT_FOR, first - timedelta(microseconds=1))
            for issue in reversed(list(issues(since, last))):
                await self._publish(issue, journalled=True)
            await self._publish_bad_rows_again(since)
        while True:
            now = self._world.clock.now()
            for issue in issues(last or now - _AT_THE_START, now):
                await self._publish(issue, journalled=False)
            last = now
            await self._flawed(now)
            await self._world.clock.sleep_until(next(issues(now, now + _KEPT_FOR)).at)

    async def _publish(self, issue: Issue, *, journalled: bool) -> None:
        """Publish a file, its rows journalled first unless they are."""
        from simulator.providers.met_office import model_files  # noqa: PLC0415

        grid = model_files.values(self._world, issue)
        if not journalled:
            self._emit(model_files.table_rows(issue, grid), issue.at)
        await self._put(issue.key, await asyncio.to_thread(model_files.model_file, issue, grid))

    async def _flawed(self, now: datetime) -> None:
        """Publish what a fault asks for: a file with a bad point, or what is no file at all."""
        fault = self._world.faults.take(SOURCE, FaultKind.BAD_ROW, FaultKind.MALFORMED)
        if fault is None:
            return
        run_at = next(issues(now, now + _KEPT_FOR)).run_at
        if fault.kind is FaultKind.BAD_ROW:
            await self._publish_bad_row(now, run_at, journalled=False)
        else:
            await self._publish_garbage(now, run_at)

    async def _publish_bad_rows_again(self, since: datetime) -> None:
        """Publish the files with a bad point again that were emitted since a market time."""
        for emission in self._world.journal.emissions(SOURCE, since=since):
            row = emission.rows[0]
            run_at, valid_at = (datetime.fromisoformat(row[n]) for n in ("run_at", "valid_at"))
            if valid_at - run_at == timedelta(hours=STEP_OF_A_BAD_ROW):
                await self._publish_bad_row(emission.market_at, run_at, journalled=True)

    async def _publish_bad_row(self, at: datetime, run_at: datetime, *, journalled: bool) -> None:
        from simulator.providers.met_office import model_files  # noqa: PLC0415

        issue = Issue(at, run_at, STEP_OF_A_BAD_ROW, _WIND_SPEED)
        bad = model_files.with_a_bad_point(model_files.values(self._world, issue))
        if not journalled:
            rows = model_files.table_rows(issue, bad)
            self._emit(rows.filter(pl.col("wind_speed_m_per_s") < model_files.BAD_WIND), at)
        await self._put(issue.key, model_files.model_file(issue, bad))

    async def _publish_garbage(self, at: datetime, run_at: datetime) -> None:
        from simulator.providers.met_office import model_files  # noqa: PLC0415

        issue = Issue(at, run_at, STEP_OF_GARBAGE, _WIND_SPEED)
        whole = model_files.model_file(issue, model_files.values(self._world, issue))
        await self._put(issue.key, whole[:_HEAD_BYTES] + bytes(len(whole) - _HEAD_BYTES))

    def _emit(self, rows: pl.DataFrame, at: datetime) -> None:
        self._world.journal.emit(SOURCE, at, rows.to_dicts())

    async def _put(self, key: str, body: bytes) -> None:
        """Put a file into the bucket, let the oldest go, and have the new one announced."""
        from simulator.amazon import s3_event  # noqa: PLC0415

        await asyncio.to_thread(
            self._s3.put_object, Bucket=_BUCKET, Key=key, Body=body, ACL="public-read"
        )
        self._keys.append(key)
        if len(self._keys) > _KEPT_FILES:
            gone = self._keys.popleft()
            await asyncio.to_thread(self._s3.delete_object, Bucket=_BUCKET, Key=gone)
        event = json.dumps(s3_event(_BUCKET, _REGION, key, body))
        faults = self._world.faults
        times = 1 if faults.take(SOURCE, FaultKind.DUPLICATE) is None else 2
        late = faults.take(SOURCE, FaultKind.REORDERED) is not None
        self._tasks.create_task(self._push(event, times=times, late=late))

    async def _push(self, event: str, *, times: int, late: bool) -> None:
        """Push an announcement: as often as it is delivered, the same each time."""
        if late:
            await asyncio.sleep(_REORDERED_BY_SECONDS)
        fields = {"Type": "Notification", "Subject": "Amazon S3 Notification", "Message": event}
        envelope = self._sender.signed(fields)
        async with self._pushing:
            for _ in range(times):
                await self._sender.push(envelope)
