"""Holds what Terraform plans against the REST APIs that Google's provider will call.

The provider takes any text for many fields; Google's discovery documents name the values that an
API takes. Each planned value is looked up in its API's schema by its name in camel case, or by the
name that the tables below give it. What is in neither is reported, so nothing is passed over in
silence.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

_DOCUMENTS: Final = "googleapiclient.discovery_cache"
_Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """Which schema of which API a resource becomes.

    Attributes:
        document: The discovery document.
        schema: The schema's name in it.
        renamed: Where a planned field goes whose name isn't the API's; dots lead into objects.
        elsewhere: Fields that are no part of the body: in the address, or of the provider alone.
    """

    document: str
    schema: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()


_EVERYWHERE: Final = frozenset(
    {"project", "location", "region", "deletion_protection", "deletion_policy", "timeouts", "zone"}
)
"""In the address of a call, or a promise of Terraform's own."""
_RUN: Final = {"env.value_source.secret_key_ref": "env.valueSource.secretKeyRef"}

APIS: Final[Mapping[str, Api]] = {
    "google_storage_bucket": Api(
        "storage.v1", "Bucket",
        renamed={
            "uniform_bucket_level_access": "iamConfiguration.uniformBucketLevelAccess.enabled",
            "public_access_prevention": "iamConfiguration.publicAccessPrevention",
            "lifecycle_rule": "lifecycle.rule",
            "retention_policy.is_locked": "retentionPolicy.isLocked",
        },
        elsewhere=frozenset({"force_destroy"}),
    ),
    "google_bigquery_dataset": Api(
        "bigquery.v2", "Dataset",
        renamed={"dataset_id": "datasetReference.datasetId"},
        elsewhere=frozenset({"delete_contents_on_destroy"}),
    ),
    "google_bigquery_table": Api(
        "bigquery.v2", "Table",
        renamed={
            "dataset_id": "tableReference.datasetId",
            "table_id": "tableReference.tableId",
            "schema": "schema.fields",
            "clustering": "clustering.fields",
        },
        elsewhere=frozenset({"ignore_auto_generated_schema"}),
    ),
    "google_pubsub_topic": Api("pubsub.v1", "Topic"),
    "google_pubsub_schema": Api("pubsub.v1", "Schema"),
    "google_pubsub_subscription": Api("pubsub.v1", "Subscription"),
    "google_artifact_registry_repository": Api(
        "artifactregistry.v1", "Repository", elsewhere=frozenset({"repository_id"})
    ),
    "google_sql_database_instance": Api(
        "sqladmin.v1", "DatabaseInstance",
        renamed={
            "settings.disk_size": "settings.dataDiskSizeGb",
            "settings.disk_type": "settings.dataDiskType",
            "settings.disk_autoresize": "settings.storageAutoResize",
            "settings.disk_autoresize_limit": "settings.storageAutoResizeLimit",
            "settings.backup_configuration.backup_retention_settings":
                "settings.backupConfiguration.backupRetentionSettings",
        },
    ),
    "google_sql_database": Api("sqladmin.v1", "Database"),
    "google_secret_manager_secret": Api(
        "secretmanager.v1", "Secret",
        renamed={"replication.auto": "replication.automatic"},
        elsewhere=frozenset({"secret_id"}),
    ),
    "google_network_connectivity_service_connection_policy": Api(
        "networkconnectivity.v1", "ServiceConnectionPolicy"
    ),
    "google_compute_network": Api(
        "compute.v1", "Network", elsewhere=frozenset({"delete_default_routes_on_create"})
    ),
    "google_compute_subnetwork": Api(
        "compute.v1", "Subnetwork", renamed={"log_config.metadata": "logConfig.metadata"}
    ),
    "google_compute_firewall": Api(
        "compute.v1", "Firewall",
        renamed={"allow": "allowed", "allow.protocol": "allowed.IPProtocol"},
    ),
    "google_compute_address": Api("compute.v1", "Address"),
    "google_compute_global_address": Api("compute.v1", "Address"),
    "google_compute_router_nat": Api(
        "compute.v1", "RouterNat",
        renamed={
            "source_subnetwork_ip_ranges_to_nat": "sourceSubnetworkIpRangesToNat",
        },
        elsewhere=frozenset({"router"}),
    ),
    "google_compute_disk": Api("compute.v1", "Disk", renamed={"size": "sizeGb"}),
    "google_compute_resource_policy": Api(
        "compute.v1", "ResourcePolicy",
    ),
    "google_compute_instance": Api(
        "compute.v1", "Instance",
        renamed={
            "boot_disk": "disks",
            "attached_disk": "disks",
            "network_interface": "networkInterfaces",
            "network_interface.network_ip": "networkInterfaces.networkIP",
            "service_account": "serviceAccounts",
            "boot_disk.initialize_params.size": "disks.initializeParams.diskSizeGb",
            "boot_disk.initialize_params.type": "disks.initializeParams.diskType",
            "boot_disk.initialize_params.image": "disks.initializeParams.sourceImage",
            "boot_disk.auto_delete": "disks.autoDelete",
            "tags": "tags.items",
        },
        elsewhere=frozenset({"allow_stopping_for_update", "metadata"}),
    ),
    "google_cloud_run_v2_worker_pool": Api("run.v2", "GoogleCloudRunV2WorkerPool"),
    "google_cloud_run_v2_service": Api("run.v2", "GoogleCloudRunV2Service"),
    "google_cloud_run_v2_job": Api("run.v2", "GoogleCloudRunV2Job"),
    "google_cloud_scheduler_job": Api(
        "cloudscheduler.v1", "Job",
        renamed={"retry_config.retry_count": "retryConfig.retryCount"},
    ),
    "google_monitoring_alert_policy": Api("monitoring.v3", "AlertPolicy"),
    "google_monitoring_notification_channel": Api("monitoring.v3", "NotificationChannel"),
    "google_billing_budget": Api(
        "billingbudgets.v1", "GoogleCloudBillingBudgetsV1Budget",
        renamed={"all_updates_rule": "notificationsRule"},
        elsewhere=frozenset({"billing_account"}),
    ),
    "google_project_iam_custom_role": Api(
        "iam.v1", "Role",
        renamed={"permissions": "includedPermissions"},
        elsewhere=frozenset({"role_id"}),
    ),
    "google_service_account": Api(
        "iam.v1", "ServiceAccount", elsewhere=frozenset({"account_id", "member"})
    ),
}  # fmt: skip
"""The resources whose bodies are held against a discovery document."""


@cache
def document(name: str) -> Mapping[str, Any]:
    """Return a discovery document, e.g. `run.v2`."""
    text = files(_DOCUMENTS).joinpath("documents", f"{name}.json").read_text("utf-8")
    said: Mapping[str, Any] = json.loads(text)
    return said


def problems(terraform_type: str, values: Mapping[str, Any]) -> list[str]:
    """Return what an API would not take of a planned resource, or does not know."""
    api = APIS[terraform_type]
    return list(_Body(api).problems(values))


class _Body:
    """A planned resource beside the schema that it becomes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._schemas: Mapping[str, _Schema] = document(api.document)["schemas"]

    def problems(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield what the API does not take."""
        yield from self._of_object(values, "", "")

    def _of_object(self, values: Mapping[str, Any], planned: str, sent: str) -> Iterator[str]:
        for name, value in values.items():
            at = f"{planned}.{name}" if planned else name
            if (
                value in (None, [], {}, "")
                or at in self._api.elsewhere
                or (not planned and name in _EVERYWHERE)
            ):
                continue
            to = self._api.renamed.get(at, f"{sent}.{_camel(name)}" if sent else _camel(name))
            schema = self._schema_at(to)
            if schema is None:
                yield f"{at}: {self._api.schema} has no {to}"
            else:
                yield from self._of_value(value, schema, at, to)

    def _of_value(self, value: Any, schema: _Schema, at: str, to: str) -> Iterator[str]:
        if at == "schema" and isinstance(value, str):
            value = json.loads(value)
        if isinstance(value, list) and schema.get("type") != "array":
            # A block that is there once at most.
            for one in value:
                yield from self._of_value(one, schema, at, to)
        elif isinstance(value, list):
            for one in value:
                yield from self._of_value(one, self._resolved(schema["items"]), at, to)
        elif isinstance(value, dict) and "additionalProperties" not in schema:
            yield from self._of_object(value, at, to)
        elif not isinstance(value, dict):
            yield from _of_scalar(value, schema, at)

    def _schema_at(self, path: str) -> _Schema | None:
        found: _Schema | None = self._schemas[self._api.schema]
        for step in path.split("."):
            inner = self._resolved(found or {})
            if inner.get("type") == "array":
                inner = self._resolved(inner["items"])
            found = inner.get("properties", {}).get(step)
            if found is None:
                return None
        return self._resolved(found or {})

    def _resolved(self, schema: _Schema) -> _Schema:
        return self._schemas[schema["$ref"]] if "$ref" in schema else schema


def _of_scalar(value: object, schema: _Schema, at: str) -> Iterator[str]:
    text = str(value)
    if "enum" in schema and text not in schema["enum"]:
        yield f"{at}: {text!r} is none of {', '.join(schema['enum'])}"
    kind = schema.get("type")
    wants_a_number = kind in {"integer", "number"} or schema.get("format") in {"int64", "int32"}
    if wants_a_number and not re.fullmatch(r"-?\d+(\.\d+)?", text):
        yield f"{at}: {text!r} is no number"
    if kind == "boolean" and not isinstance(value, bool):
        yield f"{at}: {text!r} is neither true nor false"
    if kind in {"object", "array"}:
        yield f"{at}: {text!r} is no {kind}"
    if schema.get("format") == "google-duration" and not re.fullmatch(r"\d+(\.\d+)?s", text):
        yield f"{at}: {text!r} is no duration in seconds, such as 60s"
    if "pattern" in schema and not re.search(schema["pattern"], text):
        yield f"{at}: {text!r} is not like {schema['pattern']}"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(one.capitalize() for one in rest)
