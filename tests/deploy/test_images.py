"""The image, built on a base of Debian's packages, and run as production runs it."""

import json
import os
from pathlib import Path

import pytest

from tests.faults.compose import FOLDER
from tests.support import container_images
from tests.support.container_images import LIMITS, Images

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.timeout(7_200),
    pytest.mark.skipif(bool(container_images.missing()), reason=container_images.missing()),
]


@pytest.fixture(scope="module")
def images() -> Images:
    return Images(Path(os.environ.get("IMAGES_FOLDER", FOLDER)))


@pytest.fixture(scope="module")
def platform(images: Images) -> str:
    return images.built("platform")


def test_it_runs_where_it_may_write_nothing(images: Images, platform: str) -> None:
    said = images.run(platform, "catalog", "--json")
    assert said.returncode == 0, said.stderr
    assert len(json.loads(said.stdout)) > 30


def test_its_user_is_nobody_special(images: Images, platform: str) -> None:
    [about] = json.loads(images.podman("image", "inspect", platform).stdout)
    assert about["Config"]["User"] == "10001:10001"
    assert about["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert about["Config"]["Entrypoint"] == ["energy-platform"]


def test_it_has_what_production_needs_and_nothing_else(images: Images, platform: str) -> None:
    listing = (
        "import json, pathlib, importlib.util as u;"
        "root = pathlib.Path('/opt/energy-platform');"
        "sbom = json.loads((root / 'sbom.cdx.json').read_text());"
        "print(json.dumps({'files': sorted(one.name for one in root.iterdir()),"
        " 'parts': [one['name'] for one in sbom['components']],"
        " 'simulator': u.find_spec('simulator') is not None,"
        " 'moto': u.find_spec('moto') is not None, 'pytest': u.find_spec('pytest') is not None,"
        " 'compiled': len(list(pathlib.Path('/opt/venv').rglob('polars/**/*.pyc'))) > 100}))"
    )
    said = images.podman(
        "run", "--rm", "--read-only", "--cap-drop=all", "--network=none", *LIMITS,
        "--entrypoint=python",
        platform, "-c", listing,
    )  # fmt: skip
    found = json.loads(said.stdout)
    assert [name for name in ("simulator", "moto", "pytest") if found[name]] == []
    assert found["compiled"]
    assert {"polars", "dagster", "deltalake", "celery"} <= set(found["parts"])
    assert not {"tests", "docs", ".git", "compose.yaml"} & set(found["files"])
    assert {"definitions.py", "dagster.yaml", "sbom.cdx.json"} <= set(found["files"])


def test_each_process_needs_its_settings_and_says_so(images: Images, platform: str) -> None:
    said = images.run(platform, "run", "worker")
    assert said.returncode == 2
    assert "ENERGY_PLATFORM_BROKER_URL must say where worker finds the broker" in said.stderr
    assert images.run(platform, "run", "nonsense").returncode == 2
