"""Commands about who may look at the dashboard: users, their tokens, and the audit log."""

import getpass
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from energy_platform.cli.output import console, print_json, print_table
from energy_platform.cli.platform import Json
from energy_platform.errors import UsageError
from energy_platform.settings import settings

if TYPE_CHECKING:
    from energy_platform.dashboard.access.audit import Action

_DAY_SECONDS: Final = 86_400.0
_FROM: Final = "command line"

Name = Annotated[str, typer.Argument(help="The user's name, as they log in.")]

users = typer.Typer(
    help="Say who may look at the dashboard, and what each may do.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (add, remove, token, revoke):
        users.command()(command)
    users.command("list")(list_users)
    app.add_typer(users, name="users")
    app.command()(audit)


def add(
    name: Name,
    *,
    role: Annotated[str, typer.Option(help="viewer, trader or admin.")] = "viewer",
    portfolio: Annotated[
        list[str] | None,
        typer.Option(help="A portfolio that they may see; may be repeated; * for all."),
    ] = None,
    no_password: Annotated[
        bool,
        typer.Option("--no-password", help="They log in with an OIDC provider or at a proxy."),
    ] = False,
) -> None:
    """Add a user, or change one, whose sessions then end.

    The password is asked for, or read from standard input.
    """
    from energy_platform.dashboard.access.audit import Action
    from energy_platform.dashboard.access.passwords import hashed
    from energy_platform.dashboard.access.sessions import Sessions
    from energy_platform.dashboard.access.user_list import User, UserList
    from energy_platform.dashboard.access.visitor import Role

    if not name.isprintable() or name != name.strip() or not name:
        raise UsageError("a user's name is printable, and has no blank around it")
    if role not in list(Role):
        raise UsageError(f"there is no role {role!r}: viewer, trader or admin")
    user = User(
        name=name,
        role=Role(role),
        portfolios=tuple(portfolio or ()),
        password_hash=None if no_password else hashed(_new_password()),
    )
    UserList.named_by(settings()).put(user)
    Sessions.of(settings().state).end_all_of(name)
    _note(Action.USER_SET, name, role=role, portfolios=list(user.portfolios))
    console().print(f"{name} is a {role}.")


def remove(name: Name) -> None:
    """Remove a user, end their sessions and revoke their tokens."""
    from energy_platform.dashboard.access.audit import Action
    from energy_platform.dashboard.access.choices_file import ChoicesFile
    from energy_platform.dashboard.access.sessions import Sessions
    from energy_platform.dashboard.access.tokens import Tokens
    from energy_platform.dashboard.access.user_list import UserList

    place = settings().state
    UserList.named_by(settings()).remove(name)
    ended = Sessions.of(place).end_all_of(name)
    revoked = Tokens.of(place).revoke_all_of(name)
    ChoicesFile.of(place).forget(name)
    _note(Action.USER_REMOVED, name, sessions=ended, tokens=revoked)
    console().print(f"{name} may not look any more.")


def list_users(*, json: Json = False) -> None:
    """List the users, and the tokens that hold."""
    from energy_platform.dashboard.access.tokens import Tokens
    from energy_platform.dashboard.access.user_list import UserList

    place = settings().state
    listed = sorted(UserList.named_by(settings()).all().values(), key=lambda user: user.name)
    tokens = Tokens.of(place).all()
    if json:
        print_json(
            {
                "users": [
                    {"name": one.name, "role": one.role, "portfolios": one.portfolios,
                     "has_password": one.password_hash is not None}
                    for one in listed
                ],
                "tokens": tokens,
            }
        )  # fmt: skip
        return
    print_table(
        "Users",
        ["name", "role", "portfolios", "password"],
        [
            (one.name, one.role, ", ".join(one.portfolios), "yes" if one.password_hash else "no")
            for one in listed
        ],
    )
    print_table(
        "Tokens",
        ["id", "user", "scope", "ends"],
        [(one.token_id, one.user, one.scope, one.ends_at) for one in tokens],
    )


def token(
    name: Name,
    *,
    scope: Annotated[str, typer.Option(help="read, positions or admin.")] = "read",
    days: Annotated[float, typer.Option(min=0.001, max=3650, help="After how long it ends.")] = 90,
) -> None:
    """Make a token for a program of this user, and print it once."""
    from energy_platform.dashboard.access.audit import Action
    from energy_platform.dashboard.access.tokens import Scope, Tokens
    from energy_platform.dashboard.access.user_list import UserList

    place = settings().state
    if UserList.named_by(settings()).find(name) is None:
        raise UsageError(f"there is no user {name!r}")
    if scope not in list(Scope):
        raise UsageError(f"there is no scope {scope!r}: read, positions or admin")
    text = Tokens.of(place).make(name, Scope(scope), seconds=days * _DAY_SECONDS)
    _note(Action.TOKEN_MADE, name, token=text.split("_")[1], scope=scope, days=days)
    sys.stdout.write(f"{text}\n")


def revoke(
    token_id: Annotated[str, typer.Argument(help="The id of the token, which `list` shows.")],
) -> None:
    """Revoke a token."""
    from energy_platform.dashboard.access.audit import Action
    from energy_platform.dashboard.access.tokens import Tokens

    revoked = Tokens.of(settings().state).revoke(token_id)
    _note(Action.TOKEN_REVOKED, revoked.user, token=token_id)
    console().print(f"The token {token_id} of {revoked.user} holds no longer.")


def audit(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many entries, the newest first.")] = 50,
    json: Json = False,
) -> None:
    """Show who logged in, and who changed users, tokens and settings."""
    from energy_platform.dashboard.access.audit import AuditLog

    entries = AuditLog.of(settings().state).newest(limit)
    if json:
        print_json(entries)
        return
    print_table(
        "Audit log, the newest first",
        ["at", "user", "from", "action", "detail"],
        [
            (one.at, one.user, one.address, one.action,
             ", ".join(f"{key}: {value}" for key, value in one.detail.items()))
            for one in entries
        ],
    )  # fmt: skip


def _new_password() -> str:
    """Ask for a new password twice; from a pipe, read one line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("New password: ")
    if getpass.getpass("Once more: ") != password:
        raise UsageError("the two passwords differ")
    return password


def _note(action: "Action", user: str, **detail: object) -> None:
    from energy_platform.dashboard.access.audit import AuditLog

    AuditLog.of(settings().state).add(action, user, _FROM, **detail)
