"""`energy-platform generate` writes what follows from the catalogue, and `--check` finds drift."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from energy_platform.cli import app
from energy_platform.cli.generated_files import differing_files, generated_files, write_files
from energy_platform.errors import EnergyPlatformError, UsageError
from energy_platform.market.registry import market_sources
from tests.support.sources import EXAMPLE

ROOT = Path(__file__).parents[3]
STAGING = Path("dbt_project/models/staging")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the parts of the checkout that are generated."""
    for folder in ("dbt_project", "deploy/grafana"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("target"))
    for file in (
        "README.md",
        "docs/reading/functions.md",
        "deploy/terraform/catalogue.json",
        "docs/reading/tables.md",
        "energy_platform/reading/datasets.json",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["generate", *arguments])


def test_this_checkout_has_not_drifted() -> None:
    wanted = generated_files(ROOT, market_sources().values())
    assert differing_files(ROOT, wanted) == [], "run `energy-platform generate`"


def test_drift_of_every_kind_is_named_and_mended(checkout: Path) -> None:
    (checkout / STAGING / "stg_no_more.sql").touch()
    (checkout / "dbt_project/macros/contracts.sql").write_text("select 1")
    (checkout / "deploy/grafana/dashboards/gas.json").unlink()
    readme = checkout / "README.md"
    table_row = "| `smard_price` | auctions | REST |"
    readme.write_text(readme.read_text().replace(table_row, table_row.replace("REST", "FTP")))
    refused = run(str(checkout), "--check")
    assert isinstance(refused.exception, EnergyPlatformError)
    assert "4 files of" in str(refused.exception)
    for name in ("stg_no_more.sql", "contracts.sql", "gas.json", "README.md"):
        assert f"{name} differs" in refused.output
    assert run(str(checkout)).exit_code == 0
    assert run(str(checkout), "--check").exit_code == 0
    assert not (checkout / STAGING / "stg_no_more.sql").exists()


def test_a_new_source_is_in_all_that_is_generated(checkout: Path) -> None:
    described = replace(EXAMPLE, description="Prices | of no\nmarket.")
    wanted = generated_files(checkout, [*market_sources().values(), described])
    assert {path.as_posix() for path in write_files(checkout, wanted)} == {
        "README.md",
        "dbt_project/macros/contracts.sql",
        "dbt_project/models/staging/sources.yml",
        "dbt_project/models/staging/staging.yml",
        "deploy/grafana/dashboards/api.json",
        "dbt_project/models/staging/stg_example_price.sql",
        "deploy/grafana/dashboards/auctions.json",
        "deploy/terraform/catalogue.json",
        "docs/reading/tables.md",
        "energy_platform/reading/datasets.json",
    }
    row = r"| `example_price` | auctions | REST | Prices \| of no market. |"
    assert row in (checkout / "README.md").read_text().splitlines()


def test_a_folder_that_is_no_checkout_is_said_to_be_none(tmp_path: Path) -> None:
    refused = run(str(tmp_path))
    assert isinstance(refused.exception, UsageError)
    assert "is no checkout" in str(refused.exception)
    (tmp_path / "README.md").write_text("# Another project\n")
    assert "0 places for the table" in str(run(str(tmp_path)).exception)
