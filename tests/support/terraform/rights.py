"""What each kind of process must be allowed to do, and what the roles that Terraform gives allow.

Both lists are written here by hand, from what the code calls and from what Google documents of its
roles, so that the module isn't compared with itself. Of a role only the permissions stand here that
somebody needs: whether it allows more than it should is a question for its documentation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Right = tuple[str, str, str]
"""Who, what, and on what: a bucket, the dataset, a topic, a pool, a secret, or the project."""

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "roles/storage.objectViewer": frozenset({"storage.objects.get", "storage.objects.list"}),
    "roles/storage.objectCreator": frozenset({"storage.objects.create"}),
    "roles/storage.objectUser": frozenset(
        {
            "storage.objects.create",
            "storage.objects.delete",
            "storage.objects.get",
            "storage.objects.list",
            "storage.objects.update",
        }
    ),
    "roles/bigquery.dataViewer": frozenset({"bigquery.tables.get", "bigquery.tables.getData"}),
    "roles/bigquery.dataEditor": frozenset(
        {
            "bigquery.tables.create",
            "bigquery.tables.get",
            "bigquery.tables.getData",
            "bigquery.tables.update",
            "bigquery.tables.updateData",
        }
    ),
    "roles/bigquery.jobUser": frozenset({"bigquery.jobs.create"}),
    "roles/bigquery.readSessionUser": frozenset({"bigquery.readsessions.create"}),
    "roles/pubsub.publisher": frozenset({"pubsub.topics.publish"}),
    "roles/pubsub.subscriber": frozenset(
        {"pubsub.subscriptions.consume", "pubsub.topics.attachSubscription"}
    ),
    "roles/secretmanager.secretAccessor": frozenset({"secretmanager.versions.access"}),
    "roles/monitoring.metricWriter": frozenset({"monitoring.timeSeries.create"}),
    "roles/logging.logWriter": frozenset({"logging.logEntries.create"}),
    "roles/run.invoker": frozenset({"run.jobs.run"}),
    "roles/run.jobsExecutorWithOverrides": frozenset(
        {"run.executions.cancel", "run.jobs.run", "run.jobs.runWithOverrides"}
    ),
    "roles/run.viewer": frozenset({"run.executions.get", "run.jobs.get"}),
    "roles/iam.serviceAccountUser": frozenset({"iam.serviceAccounts.actAs"}),
    "roles/iam.serviceAccountTokenCreator": frozenset({"iam.serviceAccounts.getAccessToken"}),
    "roles/artifactregistry.reader": frozenset({"artifactregistry.repositories.downloadArtifacts"}),
}

_READS_LOGS: Final = (
    ("storage.objects.get", "desk-prod-energy-landing"),
    ("storage.objects.list", "desk-prod-energy-landing"),
)
_READS_TABLES: Final = (
    ("bigquery.tables.getData", "energy"),
    ("bigquery.jobs.create", "project"),
    ("bigquery.readsessions.create", "project"),
)
_FOLLOWS: Final = (
    ("pubsub.topics.attachSubscription", "energy-elexon_frequency"),
    ("pubsub.subscriptions.create", "project"),
    ("pubsub.subscriptions.consume", "project"),
    ("pubsub.subscriptions.delete", "project"),
)


def _secrets(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple(("secretmanager.versions.access", f"energy-{name}") for name in names)


NEEDS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "collector": (
        *_READS_LOGS,
        ("storage.objects.create", "desk-prod-energy-landing"),
        ("storage.objects.delete", "desk-prod-energy-landing"),
        ("storage.objects.create", "desk-prod-energy-leases"),
        ("storage.objects.update", "desk-prod-energy-leases"),
        ("pubsub.topics.publish", "energy-landed"),
        *_secrets("state-url", "entsoe-security-token"),
    ),
    "worker": (
        *_READS_LOGS,
        ("storage.objects.update", "desk-prod-energy-landing/landing/_notes/"),
        ("storage.objects.create", "desk-prod-energy-landing"),
        ("storage.objects.update", "desk-prod-energy-leases"),
        ("storage.objects.create", "desk-prod-energy-landing/landing/_replay/"),
        ("storage.objects.delete", "desk-prod-energy-landing/landing/_replay/"),
        ("run.jobs.runWithOverrides", "energy-replay"),
        ("run.executions.cancel", "energy-replay"),
        ("run.executions.get", "energy-replay"),
        *_READS_TABLES,
        ("bigquery.tables.updateData", "energy"),
        ("bigquery.tables.update", "energy"),
        ("bigquery.tables.create", "energy"),
        ("pubsub.topics.publish", "energy-landed"),
        *_secrets("state-url", "broker-url", "influxdb-token", "entsoe-security-token"),
    ),
    "hot-lane": (
        *_READS_LOGS,
        *_READS_TABLES,
        ("pubsub.topics.publish", "energy-elexon_frequency"),
        ("pubsub.subscriptions.consume", "energy-landed-hot-lane"),
        *_secrets("state-url", "influxdb-token"),
    ),
    "control": (
        *_READS_LOGS,
        *_READS_TABLES,
        *_secrets("state-url", "broker-url"),
    ),
    "ui": (
        *_READS_LOGS,
        *_READS_TABLES,
        *_FOLLOWS,
        *_secrets("state-url", "broker-url", "influxdb-token", "users"),
    ),
    "dashboard": (
        *_READS_LOGS,
        *_READS_TABLES,
        *_FOLLOWS,
        *_secrets("state-url", "influxdb-token", "users"),
    ),
    "metrics": (
        *_READS_LOGS,
        *_READS_TABLES,
        ("monitoring.timeSeries.create", "project"),
        *_secrets("state-url", "influxdb-token", "metrics-reader"),
    ),
    "scaler": (
        *_READS_LOGS,
        *_READS_TABLES,
        ("run.workerpools.get", "energy-worker"),
        ("run.workerpools.update", "energy-worker"),
        ("run.workerpools.update", "energy-collector"),
        ("iam.serviceAccounts.actAs", "energy-worker"),
        ("iam.serviceAccounts.actAs", "energy-collector"),
        *_secrets("state-url", "broker-url"),
    ),
    "replay": (
        *_READS_LOGS,
        ("storage.objects.create", "desk-prod-energy-landing/landing/_replay/"),
        ("storage.objects.delete", "desk-prod-energy-landing/landing/_replay/"),
    ),
    "stores": (
        ("storage.objects.create", "desk-prod-energy-backups"),
        ("logging.logEntries.create", "project"),
        ("monitoring.timeSeries.create", "project"),
        ("artifactregistry.repositories.downloadArtifacts", "energy-docker-hub"),
        *_secrets("influxdb-token", "influxdb-admin", "grafana-admin", "valkey"),
    ),
    "scheduler": (("run.jobs.run", "energy-verify"),),
    "pubsub": (("bigquery.tables.updateData", "energy"), ("bigquery.tables.get", "energy")),
}
"""Who must be allowed what, where there is an ENTSO-E key and a managed broker."""

_PLACES: Final = (
    "bucket", "dataset_id", "topic", "subscription", "secret_id", "repository", "name",
    "service_account_id",
)  # fmt: skip
_MEMBER: Final = "serviceAccount:energy-"


def missing(planned: Sequence[Mapping[str, Any]]) -> list[Right]:
    """Return what a process needs and no planned role allows."""
    given = set(_given(planned))
    return [
        (who, what, where)
        for who, needs in NEEDS.items()
        for what, where in needs
        if (who, what, where) not in given
    ]


def superfluous(planned: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the planned roles that allow nothing that their process needs."""
    needed = {(who, what, where) for who, needs in NEEDS.items() for what, where in needs}
    custom, found = _custom(planned), []
    for one in planned:
        rights = set(_rights(one, custom))
        places = {where for _, _, where in rights}
        # One topic of a source stands for the others, which have the same roles.
        is_like_others = one["type"] == "google_pubsub_topic_iam_member" and not (
            places & {"energy-elexon_frequency", "energy-landed"}
        )
        if rights and not rights & needed and not is_like_others:
            found.append(one["address"])
    return found


def _given(planned: Sequence[Mapping[str, Any]]) -> Iterator[Right]:
    custom = _custom(planned)
    for one in planned:
        yield from _rights(one, custom)


def _custom(planned: Sequence[Mapping[str, Any]]) -> Mapping[str, frozenset[str]]:
    """Return the module's own roles, by the name of the resource that has them."""
    return {
        one["name"]: frozenset(one["values"]["permissions"])
        for one in planned
        if one["type"] == "google_project_iam_custom_role"
    }


def _rights(one: Mapping[str, Any], custom: Mapping[str, frozenset[str]]) -> Iterator[Right]:
    """Yield what a planned role allows one of the module's own accounts."""
    values = one["values"]
    member = values.get("member") or ""
    if not one["type"].endswith("_iam_member") or not member.startswith(_MEMBER):
        return
    who = member.removeprefix(_MEMBER).partition("@")[0]
    # A role of the module's own has its name only once it is made: the resource bears the same.
    allowed = ROLES[values["role"]] if values.get("role") else custom[one["name"]]
    for what in allowed:
        yield who, what, _place(values)


def _place(values: Mapping[str, Any]) -> str:
    named = next((values[name] for name in _PLACES if values.get(name)), "project")
    where = str(named).rpartition("/")[2].partition("@")[0]
    for condition in values.get("condition") or ():
        where += "/" + condition["expression"].partition("/objects/")[2].removesuffix('")')
    return where
