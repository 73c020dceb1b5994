"""The Terraform module without Google: validated, planned, tested; faults must be found."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.terraform.command import (
    CHECKOV,
    MODULE,
    Terraform,
    stand_in_provider,
    why_not,
)
from tests.support.terraform.readme import written
from tests.support.terraform.rest_bodies import APIS, document, problems
from tests.support.terraform.rights import NEEDS, missing, superfluous

DELIVERY = MODULE / "delivery"
ADMINISTERED = {
    "google_artifact_registry_": "artifactregistry.admin",
    "google_bigquery_": "bigquery.admin",
    "google_cloud_run_": "run.admin",
    "google_cloud_scheduler_": "cloudscheduler.admin",
    "google_compute_": "compute.admin",
    "google_iap_": "iap.admin",
    "google_memorystore_": "memorystore.admin",
    "google_monitoring_": "monitoring.admin",
    "google_network_connectivity_": "networkconnectivity.consumerNetworkAdmin",
    "google_project_iam_custom_role": "iam.roleAdmin",
    "google_project_iam_member": "resourcemanager.projectIamAdmin",
    "google_project_service": "serviceusage.serviceUsageAdmin",
    "google_pubsub_": "pubsub.admin",
    "google_secret_manager_": "secretmanager.admin",
    "google_service_account": "iam.serviceAccountAdmin",
    "google_service_networking_": "servicenetworking.networksAdmin",
    "google_sql_": "cloudsql.admin",
    "google_storage_": "storage.admin",
}
"""The role that makes resources of a kind, as Google documents it; whoever starts a process as an
account also needs `iam.serviceAccountUser`.
"""

needs_terraform = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="session")
def provider() -> Iterator[str]:
    with stand_in_provider() as address:
        assert address, "the stand-in did not start"
        yield address


@pytest.fixture
def terraform(tmp_path: Path, provider: str) -> Terraform:
    """A copy of the module, which a test may spoil."""
    return Terraform.copied(tmp_path / "module", provider)


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory, provider: str) -> Sequence[Mapping[str, Any]]:
    return Terraform.copied(tmp_path_factory.mktemp("planned") / "module", provider).planned()


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is missing")
def test_it_is_formatted() -> None:
    command = ["terraform", "fmt", "-check", "-recursive", "-diff", str(MODULE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout


@needs_terraform
def test_it_is_valid(terraform: Terraform) -> None:
    done = terraform.run("validate")
    assert not done.returncode, done.stdout + done.stderr


@pytest.mark.deploy
@needs_terraform
def test_its_own_tests_pass(terraform: Terraform) -> None:
    done = terraform.run("test")
    assert not done.returncode, done.stdout + done.stderr
    assert "9 passed, 0 failed" in done.stdout


@pytest.mark.deploy
@needs_terraform
@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("pubsub.tf", "message_retention_duration = ", "message_retention = ", "Unsupported arg"),
        ("storage.tf", "soft_delete_policy {", "soft_deletion {", "Unsupported block type"),
        ("state.tf", "tier                        = var.database.tier", "", "Missing required arg"),
        ("state.tf", "disk_autoresize             = true", 'disk_autoresize = "often"', "bool"),
        (
            "main.tf",
            "google_storage_bucket.leases.name",
            "google_storage_bucket.lease.name",
            "unde",
        ),
        (
            "storage.tf",
            "lifecycle_rule {\n    action {",
            "lifecycle_rule {\n    actions {",
            "actio",
        ),
        ("jobs.tf", "google_cloud_run_v2_job", "google_cloud_run_v3_job", "not support resource"),
        ("alerts.tf", 'combiner              = "OR"', 'combiner = "EITHER"', "must be one of AND"),
        ("state.tf", "= var.passwords.database", "= 7", "google_sql_user"),
        ("secrets.tf", "secret_data_wo         = var.pass", "secret_data = var.pass", "ephemeral"),
    ],
)
def test_a_fault_of_the_configuration_is_found(
    terraform: Terraform, file: str, old: str, new: str, said: str
) -> None:
    if (file, new) == ("state.tf", "= 7"):
        old, new = "password_wo         = var.passwords.database", 'password_wo_version = "a"'
    terraform.change(file, old, new)
    done = terraform.run("validate")
    assert done.returncode
    assert said in " ".join((done.stdout + done.stderr).split())


@pytest.mark.deploy
@needs_terraform
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("warehouse.tf", "clustering               = each.value.clustering.fields", ""),
        ("warehouse.tf", "= each.value.requirePartitionFilter", "= false"),
        ("secrets.tf", "contains(one.readers, process)", "true"),
        ("storage.tf", 'public_access_prevention    = "enforced"', ""),
    ],
)
def test_a_broken_promise_fails_its_own_tests(
    terraform: Terraform, file: str, old: str, new: str
) -> None:
    terraform.change(file, old, new)
    done = terraform.run("test", "-filter=tests/platform.tftest.hcl")
    assert done.returncode
    assert "Test assertion failed" in done.stdout + done.stderr


@pytest.mark.deploy
@needs_terraform
def test_google_takes_every_value(planned: Sequence[Mapping[str, Any]]) -> None:
    checked = [one for one in planned if one["type"] in APIS]
    found = {
        one["address"]: said for one in checked if (said := problems(one["type"], one["values"]))
    }
    assert not found
    # Each of the tables' entries is used, so none checks a resource that isn't there any more.
    assert {one["type"] for one in checked} == set(APIS)


@pytest.mark.deploy
@needs_terraform
@pytest.mark.parametrize(
    ("terraform_type", "spoil", "said"),
    [
        (
            "google_cloud_run_v2_service",
            lambda one: one.update(ingress="INGRESS_TRAFFIC_SOME"),
            "ingress: 'INGRESS_TRAFFIC_SOME' is none of",
        ),
        (
            "google_sql_database_instance",
            lambda one: one["settings"][0].update(availability_type="TWICE"),
            "settings.availability_type: 'TWICE' is none of",
        ),
        (
            "google_compute_firewall",
            lambda one: one.update(direction="INWARDS"),
            "direction: 'INWARDS' is none of",
        ),
        (
            "google_pubsub_topic",
            lambda one: one.update(message_retention_duration="2h"),
            "message_retention_duration: '2h' is no duration",
        ),
        (
            "google_cloud_run_v2_worker_pool",
            lambda one: one["scaling"][0].update(max_instance_count=3),
            "has no scaling.maxInstanceCount",
        ),
        (
            "google_storage_bucket",
            lambda one: one["retention_policy"][0].update(retention_period="a week"),
            "'a week' is no number",
        ),
    ],
)
def test_a_value_that_google_refuses_is_found(
    planned: Sequence[Mapping[str, Any]],
    terraform_type: str,
    spoil: Callable[[Mapping[str, Any]], None],
    said: str,
) -> None:
    values = next(one["values"] for one in planned if one["type"] == terraform_type)
    copied = _copy(values)
    spoil(copied)
    assert any(said in one for one in problems(terraform_type, copied))
    assert not problems(terraform_type, values)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(one) for name, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else value


@pytest.mark.deploy
@needs_terraform
def test_each_process_may_do_what_it_must_and_has_no_role_for_nothing(
    planned: Sequence[Mapping[str, Any]],
) -> None:
    assert not missing(planned)
    assert not superfluous(planned)


@pytest.mark.deploy
@needs_terraform
def test_a_missing_role_is_found(planned: Sequence[Mapping[str, Any]]) -> None:
    """Whichever of the roles is left out, something that a process needs is missing."""
    granted = [
        one
        for one in planned
        if one["type"].endswith("_iam_member")
        and (one["values"].get("member") or "").startswith("serviceAccount:energy-")
        and (
            one["type"] != "google_pubsub_topic_iam_member"
            or one["values"]["topic"] in {"energy-landed", "energy-elexon_frequency"}
        )
    ]
    assert len(granted) > 3 * len(NEEDS)
    assert not missing(planned)
    assert [
        one["address"]
        for one in granted
        if not missing([other for other in planned if other is not one])
    ] == []


@pytest.mark.deploy
@needs_terraform
def test_every_role_says_why() -> None:
    text = (MODULE / "accounts.tf").read_text("utf-8")
    grants = [line for line in text.splitlines() if 'role = "roles/' in line and "who" in line]
    assert len(grants) > 15
    assert [line for line in grants if 'why = "' not in line] == []


@pytest.mark.deploy
@needs_terraform
def test_workflows_are_trusted_each_with_its_own(tmp_path: Path) -> None:
    with stand_in_provider(DELIVERY) as address:
        copied = Terraform.copied(tmp_path / "module", address)
        delivery = Terraform(copied.folder / "delivery", address)
        assert not delivery.run("init", "-backend=false").returncode
        done = delivery.run("test")
        assert not done.returncode, done.stdout + done.stderr
        assert "2 passed, 0 failed" in done.stdout
        delivery.change("main.tf", "roles/run.viewer", "roles/viewer")
        assert delivery.run("test").returncode
        delivery.change("main.tf", "roles/viewer", "roles/run.viewer")
        delivery.change("main.tf", "assertion.repository_id", "assertion.repository_owner_id")
        assert delivery.run("test").returncode


def test_the_deployer_may_make_what_the_module_has_and_nothing_else() -> None:
    text = "".join(file.read_text() for file in MODULE.glob("*.tf"))
    kinds = set(re.findall(r'^resource "(\w+)"', text, re.MULTILINE)) - {"google_billing_budget"}
    needed = {
        next((role for kind, role in ADMINISTERED.items() if one.startswith(kind)), one)
        for one in kinds
    }
    [given] = re.findall(
        r"deploys = toset\(\[(.*?)\]\)", (DELIVERY / "main.tf").read_text(), re.DOTALL
    )
    assert set(re.findall(r"roles/([\w.]+)", given)) == needed | {"iam.serviceAccountUser"}


@pytest.mark.deploy
def test_google_takes_the_identity_pool() -> None:
    """The API's own schema has each field that is set."""
    schemas = document("iam.v1")["schemas"]
    text = (DELIVERY / "main.tf").read_text()
    provider = schemas["WorkloadIdentityPoolProvider"]["properties"]
    for field in ("attributeCondition", "attributeMapping", "displayName", "oidc"):
        assert field in provider
        assert re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", field) in text
    assert "issuerUri" in schemas["Oidc"]["properties"]


@pytest.mark.deploy
def test_the_scaler_may_set_the_count_that_the_api_has() -> None:
    """The provider has least and most counts of a pool; the API takes one count, set by hand."""
    scaling = document("run.v2")["schemas"]["GoogleCloudRunV2WorkerPoolScaling"]["properties"]
    assert set(scaling) == {"manualInstanceCount"}


def test_the_readme_has_every_input_and_output() -> None:
    text = (MODULE / "README.md").read_text("utf-8")
    assert written(text) == text, "run `python -m tests.support.terraform.readme`"


@pytest.mark.deploy
@needs_terraform
def test_checkov_finds_nothing_and_would(terraform: Terraform) -> None:
    assert _checked(terraform.folder) == set()
    terraform.change("state.tf", "ipv4_enabled    = false", "ipv4_enabled    = true")
    terraform.change("storage.tf", 'public_access_prevention    = "enforced"', "")
    terraform.change("stores.tf", 'block-project-ssh-keys = "true"', "")
    assert _checked(terraform.folder) == {"CKV_GCP_60", "CKV_GCP_114", "CKV_GCP_32"}


def _checked(folder: Path) -> set[str]:
    """Return the checks that fail."""
    command = [str(CHECKOV), "-d", str(folder), "--config-file", str(folder / ".checkov.yaml")]
    done = subprocess.run(
        [*command, "--output", "json"], capture_output=True, text=True, timeout=280, check=False
    )
    said = json.loads(done.stdout)
    failed = said["results"]["failed_checks"] if "results" in said else []
    assert bool(failed) == bool(done.returncode), done.stdout + done.stderr
    return {one["check_id"] for one in failed}


@pytest.mark.deploy
@needs_terraform
def test_the_stores_machine_is_told_what_yaml_says(planned: Sequence[Mapping[str, Any]]) -> None:
    [machine] = [one for one in planned if one["type"] == "google_compute_instance"]
    # Its address and the image's mirror are known only once they are made.
    assert machine["values"]["metadata"]["enable-oslogin"] == "true"
    said = yaml.safe_load(machine["values"]["metadata"]["user-data"])
    units = {Path(one["path"]).name: one["content"] for one in said["write_files"]}
    assert {"disk.service", "influxdb.service", "grafana.service", "backup.timer"} <= set(units)
    assert "%{" not in "".join(units.values())
    for name, unit in units.items():
        sections = [line for line in unit.splitlines() if line.startswith("[")]
        assert sections[0] == "[Unit]", name
        options = [line for line in unit.splitlines() if line and line[0] not in "[#"]
        assert all("=" in line for line in options), name
