"""Where in Pub/Sub the platform's topics are: the live bus, and the signal of what has landed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self
from uuid import uuid4

KEPT: Final = timedelta(hours=2)
"""How long a topic keeps its messages, and a subscription those that are not acknowledged."""

CHANNEL: Final = (
    ("grpc.max_receive_message_length", 32 * 2**20),
    ("grpc.keepalive_time_ms", 30_000),
    # Otherwise a channel that was lost for long is tried again after two minutes.
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
"""The options of every connection to Pub/Sub."""


@dataclass(frozen=True, slots=True)
class PubSubAddress:
    """Where topics and subscriptions are.

    Attributes:
        project: The Google Cloud project.
        prefix: What the names of the topics and subscriptions begin with.
        emulator: An emulator's host:port, if one is used; it gets no credentials.
    """

    project: str
    prefix: str
    emulator: str | None = None

    @classmethod
    def of(cls, url: str, *, emulator: str | None) -> Self:
        """Read `pubsub://project/prefix`."""
        project, _, prefix = url.removeprefix("pubsub://").partition("/")
        return cls(project, prefix, emulator)

    def topic(self, source: str) -> str:
        """Return the name of a source's topic."""
        return f"projects/{self.project}/topics/{self.prefix}-{source}"

    @property
    def landed_topic(self) -> str:
        """The topic that says what has landed."""
        return self.topic("landed")

    @property
    def dead_topic(self) -> str:
        """The topic of messages about landings that nobody could read."""
        return self.topic("landed-dead")

    @property
    def landed_subscription(self) -> str:
        """The hot lane's subscription to what has landed."""
        return f"projects/{self.project}/subscriptions/{self.prefix}-landed-hot-lane"

    def subscription(self, source: str) -> str:
        """Return a new name for a follower's subscription to a source's topic."""
        return f"projects/{self.project}/subscriptions/{self.prefix}-{source}-{uuid4().hex}"
