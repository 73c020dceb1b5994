"""The image's and compose's files: what a container may do, and that they know all settings."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from deploy.docker.make_secrets import make
from energy_platform.market.registry import market_sources
from energy_platform.operations.doctor.configuration import known_variables
from energy_platform.operations.supervision.alone import processes_alone
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.operations.supervision.valkeys import Valkeys
from energy_platform.settings import Settings, current_settings
from simulator.recorded.cases import TESTCASES

DOCKER = PROJECT / "deploy" / "docker"
DOCKERFILES = [*DOCKER.glob("*Dockerfile"), PROJECT / "tests" / "deploy" / "stores.Dockerfile"]
SCHEMA = Path("/usr/lib/python3/dist-packages/compose/config/compose_spec.json")
"""Where Debian's docker-compose keeps the specification."""
OF_OTHERS = {"postgres", "influxdb", "telegraf", "grafana", "pgbouncer"}
"""The services that run another image."""


def services(*files: str) -> dict[str, dict[str, Any]]:
    """Return the services as compose merges them."""
    merged: dict[str, dict[str, Any]] = {}
    for file in files:
        for name, said in yaml.safe_load((PROJECT / file).read_text())["services"].items():
            known = merged.setdefault(name, {})
            for key, value in said.items():
                both = isinstance(value, dict) and isinstance(known.get(key), dict)
                known[key] = {**known[key], **value} if both else value
    return merged


LIVE = services("compose.yaml")
SIMULATED = services("compose.yaml", "compose.override.yaml")


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.name)
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    said = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("file", ["compose.yaml", "compose.override.yaml"])
def test_compose_files_are_of_the_specification(file: str) -> None:
    if not SCHEMA.exists():
        pytest.skip("no docker-compose: `apt-get install docker-compose` brings the specification")
    validator = Draft7Validator(json.loads(SCHEMA.read_text()))
    text = yaml.safe_load((PROJECT / file).read_text())
    assert [one.message for one in validator.iter_errors(text)] == []
    text["services"]["collector"]["restart"] = 5
    assert list(validator.iter_errors(text))


@pytest.mark.parametrize("name", SIMULATED)
def test_a_container_may_do_nothing_that_it_need_not(name: str) -> None:
    said = SIMULATED[name]
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "devices", "userns_mode"} & set(said)
    for volume in said.get("volumes", ()):
        source, _, rest = volume.partition(":")
        assert not source.startswith("/"), "no folder of the host"
        if source.startswith("./") or (source.startswith("secrets-") and name != "secrets"):
            assert rest.endswith(":ro")


def test_ports_are_on_loopback_and_only_of_what_asks_for_a_login() -> None:
    ports = {name: said["ports"] for name, said in SIMULATED.items() if "ports" in said}
    assert set(ports) == {"dashboard", "grafana"}
    assert all(port.startswith("127.0.0.1:") for each in ports.values() for port in each)
    assert LIVE["dashboard"]["environment"]["ENERGY_PLATFORM_LOGIN"].endswith(":-users}")


def test_every_process_of_the_plan_is_a_service(home: Path) -> None:
    known = set(processes_alone(Settings(home=home))) - {"worker-1", "worker-2"}
    ours = set(SIMULATED) - OF_OTHERS - {"secrets"}
    assert ours == known
    assert set(LIVE) == set(SIMULATED) - {"simulator"}
    for name in ours:
        assert SIMULATED[name]["command"] == ["run", name]


def test_what_others_wait_for_says_whether_it_is_ready() -> None:
    for said in SIMULATED.values():
        for other, how in said.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SIMULATED[other], other
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SIMULATED[other]["restart"] != "unless-stopped"


def test_settings_are_known_and_each_providers_key_reaches_its_feed() -> None:
    for said in SIMULATED.values():
        for name in said.get("environment", {}):
            if name.startswith("ENERGY_PLATFORM_"):
                assert name in known_variables(), name
    needed = {name for one in market_sources().values() for name in one.required_environment}
    for service in ("collector", "code-server"):
        assert needed <= set(LIVE[service]["environment"])


@pytest.mark.parametrize(
    "service",
    [
        pytest.param(merged[name], id=f"{name}-{markets}")
        for markets, merged in (("live", LIVE), ("simulated", SIMULATED))
        for name in sorted(set(merged) - OF_OTHERS - {"secrets"})
    ],
)
def test_a_process_is_given_the_secrets_that_its_settings_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: dict[str, Any]
) -> None:
    make(tmp_path / "all")
    for secret in (tmp_path / "all").rglob("ENERGY_PLATFORM_*"):
        monkeypatch.setenv(secret.name, "of another test, and forgotten after this one")
        monkeypatch.delenv(secret.name)
    (tmp_path / "given").mkdir()
    for volume in service.get("volumes", []):
        if volume.startswith("secrets-"):
            folder = volume.partition(":")[0].removeprefix("secrets-")
            (tmp_path / "all" / folder).rename(tmp_path / "given" / folder)
    told = {variable: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value))
            for variable, value in service["environment"].items()}  # fmt: skip
    for variable, value in told.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("ENERGY_PLATFORM_SECRET_FILES", str(tmp_path / "given"))
    assert current_settings().markets == told["ENERGY_PLATFORM_MARKETS"]


def test_the_image_has_the_cases_that_simulated_markets_tell() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    copied = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert any(TESTCASES.is_relative_to(PROJECT / one) for one in copied)


def test_telegraf_measures_as_it_does_without_compose() -> None:
    ours, theirs = (
        tomllib.loads((PROJECT / "deploy" / file).read_text())
        for file in ("docker/telegraf.conf", "telegraf/telegraf.conf")
    )
    assert ours["agent"] == theirs["agent"]
    [scraped], [usual] = ours["inputs"]["prometheus"], theirs["inputs"]["prometheus"]
    assert {**scraped, "urls": usual["urls"]} == usual
    volumes, told = LIVE["telegraf"]["volumes"], LIVE["metrics"]["environment"]
    host = told["ENERGY_PLATFORM_METRICS_HOST"]
    assert scraped["urls"] == [f"http://{host}:9464/metrics"]
    [files], [output] = ours["secretstores"]["docker"], ours["outputs"]["influxdb_v2"]
    assert output["token"] == "@{files:ENERGY_PLATFORM_INFLUXDB_TOKEN}"
    assert f"secrets-influxdb:{files['path']}:ro" in volumes


def test_grafana_is_told_all_that_its_files_ask_for() -> None:
    text = "".join(one.read_text() for one in (PROJECT / "deploy/grafana").rglob("*.yaml"))
    asked = set(re.findall(r"\$(ENERGY_PLATFORM_\w+)", text))
    assert asked == {
        name for name in LIVE["grafana"]["environment"] if name.startswith("ENERGY_PLATFORM_")
    }


def test_no_file_has_a_password_and_each_is_made_once(tmp_path: Path) -> None:
    make(tmp_path)
    made = {one.relative_to(tmp_path).as_posix(): one.read_text() for one in tmp_path.rglob("*")
            if one.is_file()}  # fmt: skip
    words = re.findall(r"[\w-]{40,}", " ".join(made.values()))
    assert len(set(words)) == 7, "all but the database's differ"
    (tmp_path / "state/ENERGY_PLATFORM_STATE_URL").unlink()
    make(tmp_path)
    again = {one.relative_to(tmp_path).as_posix(): one.read_text() for one in tmp_path.rglob("*")
             if one.is_file()}  # fmt: skip
    assert again == made
    folders = {name.partition("/")[0] for name in made}
    mounted = {one.partition(":")[0] for one in LIVE["secrets"]["volumes"]}
    assert mounted == {f"secrets-{folder}" for folder in folders}
    dockerfile = (DOCKER / "Dockerfile").read_text()
    assert folders == set(re.findall(r"/secrets/([a-z-]+)", dockerfile))


def test_the_secrets_are_those_that_the_valkeys_take(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    said = {one.name: one.read_text() for one in tmp_path.rglob("ENERGY_PLATFORM_*")}
    fields = {name.removeprefix("ENERGY_PLATFORM_").lower(): text for name, text in said.items()}
    chosen = Settings.model_validate(
        {"home": home} | {name: text for name, text in fields.items() if name in
                          {"broker_url", "live_bus", "live_bus_publisher"}}
    )  # fmt: skip
    valkeys = Valkeys(settings=chosen)
    [users] = valkeys.live_bus_files().values()
    assert re.findall(r"user (\w+) ", users) == ["default", "publisher", "follower"]
    [users] = valkeys.broker_files().values()
    assert re.findall(r"user (\w+) ", users) == ["default", "runs"]


def test_the_production_lock_is_part_of_the_whole_one() -> None:
    whole, production, simulated = (
        pins(f"requirements{name}.lock") for name in ("", "-production", "-simulated")
    )
    assert production <= whole
    assert simulated <= whole
    names = {name for name, _ in production}
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    unwanted = {
        re.split(r"[\[<>=;]", one)[0].lower()
        for extra in ("dev", "simulator")
        for one in extras["optional-dependencies"][extra]
    }
    needed_by_others = {"editables", "jsonschema", "nbformat", "orjson"}
    assert names & unwanted <= needed_by_others
    for lock in PROJECT.glob("requirements*.lock"):
        assert "://" not in lock.read_text(), lock.name


def pins(lock: str) -> set[tuple[str, str]]:
    text = (PROJECT / lock).read_text()
    return set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", text, re.MULTILINE))


def test_compose_reads_both_files() -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("no docker-compose: `apt-get install docker-compose` brings one")
    for files in ([], ["-f", "compose.yaml"]):
        said = subprocess.run(
            [compose, *files, "config", "--services"],
            cwd=PROJECT, capture_output=True, text=True, check=False, env={**os.environ},
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        assert set(said.stdout.split()) == set(LIVE if files else SIMULATED)
