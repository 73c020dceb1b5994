"""Who may look at the dashboard and the Dagster UI, and what each may do.

`guarded` puts the guard before an ASGI app; `visitor_of` tells a handler who asks. `guard` takes
each request and WebSocket in order: `boundary` refuses other hosts, other origins and forged
requests, `doorman` finds out who it is, `headers` says what a browser may do with the answer.
`login_pages` and `oidc` log users in. `user_list`, `sessions`, `tokens` and `audit` are what is
kept, in private files of the home. `dagster_ui` stands before Dagster's web server.

What a page shows does not belong here.
"""

from energy_platform.dashboard.access.guard import guarded
from energy_platform.dashboard.access.visitor import Role, Visitor, visitor_of

__all__ = ["Role", "Visitor", "guarded", "visitor_of"]
