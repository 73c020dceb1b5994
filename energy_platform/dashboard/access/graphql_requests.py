"""Tells whether a GraphQL request changes something. It reads as Dagster's web server does."""

import json
from collections.abc import Iterator
from typing import Final

from graphql import FieldNode, GraphQLError, OperationDefinitionNode, OperationType, parse

from energy_platform.dashboard.access.refusal import Refused

_MOST_TOKENS: Final = 50_000


def asked_query(content_type: str, body: bytes) -> str:
    """Return the query of a POST request.

    Dagster reads other content types too, which a form of any page can send; none of its own pages
    does.

    Raises:
        Refused: It is no JSON object with a query.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "not_json", "a GraphQL request is application/json")
    try:
        said = json.loads(body)
        query = said["query"]
    except (ValueError, TypeError, KeyError, RecursionError):
        query = None
    if not isinstance(query, str):
        raise Refused(400, "no_query", "a GraphQL request is a JSON object with a query")
    return query


def changes_in(query: str) -> list[str]:
    """Return what a query changes: the fields of its mutations, in whichever operation.

    >>> changes_in("{ version }"), changes_in("mutation M { launchRun { __typename } }")
    ([], ['launchRun'])

    Raises:
        Refused: It is no GraphQL.
    """
    try:
        document = parse(query, no_location=True, max_tokens=_MOST_TOKENS)
    except (GraphQLError, RecursionError):
        raise Refused(400, "no_graphql", "this is no GraphQL, or too much of it") from None
    return [
        name
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        and definition.operation is OperationType.MUTATION
        for name in _fields(definition)
    ]


def _fields(operation: OperationDefinitionNode) -> Iterator[str]:
    """Yield the names of an operation's first fields; of a fragment, that it is one."""
    for selection in operation.selection_set.selections:
        yield selection.name.value if isinstance(selection, FieldNode) else "a fragment"
