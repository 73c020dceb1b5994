"""Whether the owner of a rule may still watch what it is about."""

from dataclasses import dataclass
from typing import Self

from energy_platform.dashboard.access.doorman import visitor_named
from energy_platform.dashboard.access.user_list import UserList
from energy_platform.dashboard.entitlement import NotEntitledError, require_may_watch
from energy_platform.settings import Settings


@dataclass(frozen=True, slots=True)
class OwnersRights:
    """The rights of users, as the user list has them now."""

    settings: Settings
    users: UserList

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the rights in a home."""
        return cls(settings, UserList.named_by(settings))

    def may_watch(self, user: str, topic: str) -> bool:
        """Return whether a user may look, and watch a topic."""
        visitor = visitor_named(self.settings, self.users, user)
        if visitor is None:
            return False
        try:
            require_may_watch(visitor, topic)
        except NotEntitledError:
            return False
        return True
