"""Runs Terraform on this checkout's module, or on a copy with a fault in it, without Google."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[3]
MODULE: Final = CHECKOUT / "deploy" / "terraform"
PYTHON: Final = CHECKOUT / ".venv-terraform" / "bin" / "python"
CHECKOV: Final = PYTHON.with_name("checkov")
_RESOURCE: Final = re.compile(r'^resource "(\w+)"', re.MULTILINE)
_DATA_SOURCE: Final = re.compile(r'^data "(\w+)"', re.MULTILINE)
_PATIENCE_SECONDS: Final = 280.0
_PASSWORDS: Final = ("database", "valkey", "influxdb_token", "influxdb_admin", "grafana_admin")
VARIABLES: Final[Mapping[str, object]] = {
    "project": "desk-prod",
    "image": f"europe-west3-docker.pkg.dev/desk-prod/energy/platform@sha256:{'0' * 64}",
    "passwords": {name: f"{name}-password-of-20" for name in _PASSWORDS},
    "provider_keys": ["ENTSOE_SECURITY_TOKEN"],
    "operators": ["user:ops@example.com"],
    "dashboard_viewers": ["group:traders@example.com"],
    "billing_account": "012345-567890-ABCDEF",
    "alerts": {"emails": ["desk@example.com"]},
}


def why_not() -> str:
    """Return why Terraform can't be run here; empty if it can."""
    if shutil.which("terraform") is None:
        return "terraform is missing"
    if not PYTHON.exists():
        return "its stand-in provider is missing: `make deploy-test` makes .venv-terraform"
    return ""


@contextmanager
def stand_in_provider(module: Path = MODULE) -> Iterator[str]:
    """Run the stand-in of Google's provider; yield what `TF_REATTACH_PROVIDERS` takes."""
    text = "\n".join(file.read_text("utf-8") for file in module.glob("*.tf"))
    command = [
        str(PYTHON), "-m", "tests.support.terraform.stand_in_provider",
        "--resources", ",".join(sorted(set(_RESOURCE.findall(text)))),
        "--data-sources", ",".join(sorted(set(_DATA_SOURCE.findall(text)))),
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


@dataclass(frozen=True)
class Terraform:
    """Terraform in one folder, with the stand-in for a provider.

    Attributes:
        folder: The module, a copy of it that a test may change.
        provider: What `TF_REATTACH_PROVIDERS` takes.
    """

    folder: Path
    provider: str

    @classmethod
    def copied(cls, to: Path, provider: str) -> "Terraform":
        """Return Terraform on a copy of the module, initialized."""
        shutil.copytree(MODULE, to, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        copied = cls(to, provider)
        assert not copied.run("init", "-backend=false").returncode
        return copied

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command; what it says is in both of the result's texts."""
        variables = {
            f"TF_VAR_{name}": value if isinstance(value, str) else json.dumps(value)
            for name, value in VARIABLES.items()
        }
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "TF_CLI_CONFIG_FILE": os.devnull,
                "CHECKPOINT_DISABLE": "1",
                "TF_IN_AUTOMATION": "1",
                "TF_CLI_ARGS": "-no-color",
                "TF_REATTACH_PROVIDERS": self.provider,
                **({} if arguments[0] == "test" else variables),
            },
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )

    def change(self, file: str, old: str, new: str) -> None:
        """Put a fault into a file, where its text stands for the first time."""
        path = self.folder / file
        text = path.read_text("utf-8")
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1), "utf-8")

    def planned(self) -> list[Mapping[str, Any]]:
        """Return the resources that would be made: `type`, `name`, `index`, `values`."""
        made = self.run("plan", "-out=plan")
        assert not made.returncode, made.stdout + made.stderr
        said = json.loads(self.run("show", "-json", "plan").stdout)
        return [
            one
            for one in said["planned_values"]["root_module"]["resources"]
            if one["mode"] == "managed"
        ]
