"""The sequence numbers of one subscription, and whether one is missing. No sockets."""

from dataclasses import dataclass


@dataclass(slots=True)
class Subscription:
    """One subscription to a topic, and its last number; None before the snapshot."""

    id: str
    topic: str
    began: float
    last_sequence_no: int | None = None

    def follows(self, sequence_no: int | None, *, is_snapshot: bool) -> bool:
        """Record a message's number; return whether no message before it is missing."""
        if sequence_no is None or (self.last_sequence_no is None and not is_snapshot):
            return True
        if is_snapshot or self.last_sequence_no is None:
            self.last_sequence_no = sequence_no
            return True
        without_gap = sequence_no <= self.last_sequence_no + 1
        self.last_sequence_no = max(self.last_sequence_no, sequence_no)
        return without_gap
