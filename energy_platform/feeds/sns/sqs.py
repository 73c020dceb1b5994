"""An SQS queue of the user's own, found by its environment variable.

Credentials come from where AWS tools look for them. Every call is bounded in time.
"""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from energy_platform.errors import FeedError
from energy_platform.market.feed import FeedSession

_QUEUE_URL: Final = re.compile(r"https://sqs\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/.+")
_QUEUE_NAME: Final = re.compile(r"[\w-]{1,80}(\.fifo)?")
_RECEIVE_AT_MOST: Final = 10
_HIDE_AT_MOST_SECONDS: Final = 12 * 3600
_CONNECT_SECONDS: Final = 10
_ANSWER_SECONDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """One receive of a message.

    Attributes:
        message_id: The same at each receive.
        receipt: Identifies this receive, to delete or hide the message.
        body: The message's text.
        receives: How often it has been received, this time included.
    """

    message_id: str
    receipt: str
    body: str
    receives: int


@dataclass(frozen=True, slots=True)
class Queue:
    """An open queue; every method raises `FeedError` when SQS fails or refuses."""

    client: Any
    url: str

    async def receive(
        self, count: int, *, wait_seconds: int, visibility_seconds: int
    ) -> list[QueuedMessage]:
        """Wait for messages, and hide them from other receivers."""
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=min(count, _RECEIVE_AT_MOST),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        return [
            QueuedMessage(
                message_id=message["MessageId"],
                receipt=message["ReceiptHandle"],
                body=message["Body"],
                receives=int(message["Attributes"]["ApproximateReceiveCount"]),
            )
            for message in answer.get("Messages", [])
        ]

    async def delete(self, message: QueuedMessage) -> None:
        """Remove a message from the queue for good."""
        await self._call("delete_message", ReceiptHandle=message.receipt)

    async def hide(self, message: QueuedMessage, seconds: float) -> None:
        """Hide a message for some seconds from now; then it is received again."""
        hidden = min(max(1, round(seconds)), _HIDE_AT_MOST_SECONDS)
        await self._call(
            "change_message_visibility", ReceiptHandle=message.receipt, VisibilityTimeout=hidden
        )

    async def _call(self, operation: str, **arguments: object) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await getattr(self.client, operation)(
                QueueUrl=self.url, **arguments
            )
        except (BotoCoreError, ClientError) as error:
            raise FeedError(f"SQS: {error}") from None
        return answer


@contextlib.asynccontextmanager
async def open_queue(
    session: FeedSession, *, variable: str, region: str, wait_seconds: int
) -> AsyncIterator[Queue]:
    """Open the queue whose URL, or whose name in `region`, an environment variable holds.

    Args:
        session: Resolves the variable and the address.
        variable: The environment variable.
        region: The region of a queue that is given by its name alone.
        wait_seconds: The longest long poll to come.

    Raises:
        FeedError: The variable holds neither, or SQS fails or refuses.
    """
    named = session.secret(variable)
    url = _QUEUE_URL.fullmatch(named)
    if url is None and not _QUEUE_NAME.fullmatch(named):
        raise FeedError(f"{variable} holds neither the URL nor the name of an SQS queue")
    region = url["region"] if url else region
    real = f"https://sqs.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    endpoint = session.address(real)
    config = AioConfig(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=wait_seconds + _ANSWER_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    async with get_session().create_client(
        "sqs",
        region_name=region,
        endpoint_url=endpoint,
        config=config,
        **({} if endpoint == real else _stand_in_credentials(session)),
    ) as client:
        yield Queue(client, named if url else await _url_of(client, named))


def _stand_in_credentials(session: FeedSession) -> dict[str, str]:
    """Return credentials for requests to a stand-in, which needs no AWS account."""
    return {
        "aws_access_key_id": session.secret("AWS_ACCESS_KEY_ID"),
        "aws_secret_access_key": session.secret("AWS_SECRET_ACCESS_KEY"),
    }


async def _url_of(client: Any, name: str) -> str:  # noqa: ANN401 (aiobotocore ships no types)
    try:
        answer = await client.get_queue_url(QueueName=name)
    except (BotoCoreError, ClientError) as error:
        raise FeedError(f"SQS: {error}") from None
    return str(answer["QueueUrl"])
