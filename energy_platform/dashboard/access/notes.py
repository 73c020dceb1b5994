"""Notes in the audit log what a visitor changes by a request, with the visitor's address."""

from dataclasses import dataclass
from typing import Self

from starlette.requests import Request

from energy_platform.dashboard.access.audit import Action, AuditLog
from energy_platform.dashboard.access.boundary import Boundary
from energy_platform.dashboard.access.visitor import visitor_of
from energy_platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Notes:
    """The audit log of one dashboard."""

    audit: AuditLog
    boundary: Boundary

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the audit log of a home."""
        return cls(AuditLog.of(settings.state), Boundary.of(settings))

    def add(self, action: Action, request: Request, **detail: object) -> None:
        """Note what was done."""
        address = self.boundary.client_address(request)
        self.audit.add(action, visitor_of(request.scope).name, address, **detail)
