"""The main queries of Dagster's UI, and what they cost on the schema that its webserver serves.

The names are the UI's own; the fields are those that are read from the storages. The queries are
executed in this process, so that a cost of a few milliseconds can be told from the next.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

from dagster import DagsterInstance
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.schema import create_schema

from energy_platform.operations.supervision.plan import PROJECT

_LOCATION: Final = "definitions"
_RUN: Final = "id status startTime endTime updateTime creationTime tags { key value }"
_QUERIES: Final = {
    "AssetGraphLiveQuery": """query ($assetKeys: [AssetKeyInput!]!) {
        assetNodes(assetKeys: $assetKeys, loadMaterializations: true) {
            id assetKey { path }
            assetMaterializations(limit: 1) { timestamp runId }
            assetChecksOrError { ... on AssetChecks { checks {
                name executionForLatestMaterialization { id status runId timestamp } } } }
        }
        assetsLatestInfo(assetKeys: $assetKeys) {
            id unstartedRunIds inProgressRunIds latestRun { id status endTime } }
        }""",
    "AssetCatalogTableQuery": """query { assetsOrError(limit: 1000) { ... on AssetConnection {
        nodes { id key { path } definition { id groupName kinds description } } cursor } } }""",
    "AssetHealthQuery": """query ($assetKeys: [AssetKeyInput!]!) {
        assetsOrError(assetKeys: $assetKeys) { ... on AssetConnection { nodes {
            id latestMaterializationTimestamp latestFailedToMaterializeTimestamp
            assetHealth { assetHealth materializationStatus assetChecksStatus freshnessStatus }
        } } } }""",
    "RecentAssetEventsQuery": """query ($assetKey: AssetKeyInput!) {
        assetOrError(assetKey: $assetKey) { ... on Asset { id
            assetEventHistory(limit: 100, eventTypeSelectors: [MATERIALIZATION, OBSERVATION]) {
                results { ... on MaterializationEvent {
                    runId timestamp metadataEntries { label } runOrError { ... on Run { id } } } }
                cursor } } } }""",
    "RunsFeedRootQuery": f"""query {{ runsFeedOrError(limit: 30, view: RUNS) {{
        ... on RunsFeedConnection {{ cursor hasMore results {{
            id runStatus creationTime startTime endTime tags {{ key value }}
            ... on Run {{ {_RUN} assetSelection {{ path }} }} }} }} }} }}""",
    "CompletedRunTimelineQuery": f"""query ($after: Float!) {{
        runsOrError(filter: {{ statuses: [SUCCESS, FAILURE, CANCELED], updatedAfter: $after }},
            limit: 500) {{ ... on Runs {{ results {{ {_RUN} pipelineName }} }} }} }}""",
    "RunLogsQuery": """query ($runId: ID!) {
        pipelineRunOrError(runId: $runId) { ... on Run { id status canTerminate } }
        logsForRun(runId: $runId, limit: 1000) { ... on EventConnection {
            events { ... on MessageEvent { runId message timestamp level stepKey eventType } }
            cursor } } }""",
}


@contextmanager
def ui_queries(instance: DagsterInstance) -> Iterator[Mapping[str, Callable[[], None]]]:
    """Yield, by name, what executes each query once on an instance's storages."""
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(
            executable_path=None,
            module_name=_LOCATION,
            working_directory=str(PROJECT),
        ),
        location_name=_LOCATION,
    )
    schema = create_schema()
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as process:
        [newest] = instance.get_run_records(limit=1)
        keys = [{"path": [*key.path]} for key in sorted(instance.all_asset_keys())]
        variables = {
            "assetKeys": keys,
            "assetKey": keys[0],
            "after": 0.0,
            "runId": newest.dagster_run.run_id,
        }

        def execute(query: str) -> None:
            asked = {name: value for name, value in variables.items() if f"${name}" in query}
            context = process.create_request_context()
            answer = asyncio.run(
                schema.execute_async(query, context_value=context, variable_values=asked)
            )
            if answer.errors or not answer.data or not all(answer.data.values()):
                raise SystemExit(f"{query}: {answer.errors or answer.data}")

        yield {name: partial(execute, query) for name, query in _QUERIES.items()}
