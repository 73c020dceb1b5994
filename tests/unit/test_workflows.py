"""What runs in continuous integration is pinned, and may do no more than it needs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from energy_platform.operations.supervision.plan import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.y*ml"))
USES = re.compile(r"^\s*(?:- )?uses:\s*(.*)$", re.MULTILINE)
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
LOCAL = re.compile(r"\$/[\w./-]+")
A_TOKEN = {"contents": "read", "id-token": "write"}
MORE_RIGHTS = {
    ("release.yml", "release"): {"contents": "write"},
    ("image.yml", "image"): A_TOKEN,
    ("plan.yml", "plan"): A_TOKEN,
    ("deploy.yml", "image"): A_TOKEN,
    ("deploy.yml", "production"): A_TOKEN,
}
"""Jobs that may do more than read: a release makes one, and Google and Sigstore want a token."""

EACH = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda one: one.name)


def read(workflow: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow.read_text("utf-8"))
    return found


def test_there_are_workflows() -> None:
    assert {one.name for one in WORKFLOWS} >= {"ci.yml", "release.yml", "audit.yml"}


@EACH
def test_every_action_is_pinned_by_its_digest_and_says_its_version(workflow: Path) -> None:
    used = USES.findall(workflow.read_text("utf-8"))
    assert used
    loose = [one for one in used if not PINNED.fullmatch(one) and not LOCAL.fullmatch(one)]
    assert loose == []


def test_an_action_has_one_digest_everywhere() -> None:
    pins = {
        tuple(one.split("@", 1))
        for workflow in WORKFLOWS
        for one in USES.findall(workflow.read_text("utf-8"))
        if "@" in one
    }
    assert len({name for name, _ in pins}) == len(pins)


@EACH
def test_a_workflow_may_only_read_unless_a_job_needs_more(workflow: Path) -> None:
    said = read(workflow)
    assert said["permissions"] == {"contents": "read"}
    for name, job in said["jobs"].items():
        assert job.get("permissions", {}) == MORE_RIGHTS.get((workflow.name, name), {})


@EACH
def test_no_stranger_gets_a_token_or_a_shell(workflow: Path) -> None:
    text, said = workflow.read_text("utf-8"), read(workflow)
    assert "pull_request_target" not in text
    for job in said["jobs"].values():
        for step in job.get("steps", []):
            # What others may write, such as a title, is never pasted into a script.
            assert "${{" not in step.get("run", "")
            if "checkout@" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_a_plan_is_made_for_no_strangers_pull_request() -> None:
    condition = read(PROJECT / ".github" / "workflows" / "plan.yml")["jobs"]["plan"]["if"]
    assert condition == "github.event.pull_request.head.repo.full_name == github.repository"


def test_production_takes_only_what_the_image_workflow_has_signed() -> None:
    steps = read(PROJECT / ".github" / "workflows" / "deploy.yml")["jobs"]["production"]["steps"]
    commands = [step.get("run", "") for step in steps]
    [verified] = [place for place, run in enumerate(commands) if "cosign verify" in run]
    [applied] = [place for place, run in enumerate(commands) if "terraform apply" in run]
    assert verified < applied
    assert "workflows/image\\.yml@refs/tags/v" in commands[verified]
    assert "sha256" in commands[verified]


@EACH
def test_a_job_ends(workflow: Path) -> None:
    for job in read(workflow)["jobs"].values():
        assert "timeout-minutes" in job or LOCAL.fullmatch(job.get("uses", ""))
