"""The images of a test, built from Debian's packages, since tests reach no registry of images.

The base is made by mmdebstrap and takes the place of those that the Dockerfiles name; a second one
has Debian's Postgres and InfluxDB. Both are kept for the next run.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energy_platform.operations.supervision.plan import PROJECT

_DOCKER: Final = PROJECT / "deploy" / "docker"
TOOLS: Final = ("mmdebstrap", "podman", "buildah", "runc")
_BASES: Final = {
    "base": "python3,python3-venv,ca-certificates",
    "stores": "postgresql,influxdb,influxdb-client,pgbouncer,postgresql-client,ca-certificates",
}
"""Which packages are in each base, beside the least that Debian needs."""
_CONFIGURATION: Final = """\
# No more files than this user may open; by default podman asks for more.
[containers]
default_ulimits = ["nofile={files}:{files}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_PIP_FILES: Final = ("/etc/pip.conf", "/root/.config/pip/pip.conf")
"""How pip finds its index on this machine, which the build borrows."""
LIMITS: Final = ("--ulimit=nproc=20000:20000", "--ulimit=nofile=20000:20000")
"""What a container of a user with limits may have at most; podman asks for more by itself."""
_BUILD_SECONDS: Final = 3600.0


def missing() -> str:
    """Return which programs this machine lacks, as a reason to skip; empty if it has all."""
    lacking = [one for one in TOOLS if shutil.which(one) is None]
    return f"apt-get install {' '.join(lacking)}" if lacking else ""


@dataclass(frozen=True)
class Images:
    """Images in a store of their own.

    Attributes:
        folder: Where they and their bases are kept.
    """

    folder: Path

    def built(self, target: str) -> str:
        """Build the platform's image; return its name."""
        name = f"localhost/energy-platform-{target}"
        self._build(name, _DOCKER / "Dockerfile", self.base("base"), "--target", target)
        return name

    def pgbouncer(self) -> str:
        """Build PgBouncer's image; return its name."""
        name = "localhost/energy-platform-pgbouncer"
        self._build(name, _DOCKER / "pgbouncer.Dockerfile", self.base("stores"))
        return name

    def stores(self) -> str:
        """Build the image of Debian's Postgres and InfluxDB; return its name."""
        name = "localhost/energy-platform-debian"
        self._build(name, PROJECT / "tests" / "deploy" / "stores.Dockerfile", self.base("stores"))
        return name

    def base(self, name: str) -> str:
        """Make a base, unless it is there; return its name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        (self.folder / "containers.conf").write_text(_CONFIGURATION.format(files=files))
        archive = self.folder / f"{name}.tar"
        if not archive.exists():
            unfinished = archive.with_suffix(".part")
            packages = f"--include={_BASES[name]}"
            with unfinished.open("wb") as written:
                subprocess.run(
                    ["mmdebstrap", "--variant=minbase", "--format=tar", packages, "bookworm", "-"],
                    stdout=written, stderr=subprocess.PIPE, check=True, timeout=_BUILD_SECONDS,
                )  # fmt: skip
            unfinished.rename(archive)
        full = f"localhost/energy-platform-{name}"
        if self.podman("image", "exists", full, check=False).returncode:
            self.podman("import", "--quiet", str(archive), full)
        return full

    def podman(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run podman on this store."""
        return self._run("podman", *arguments, check=check)

    def run(self, image: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an image as production does: it may write in memory alone, and may do nothing."""
        return self.podman(
            "run", "--rm", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges",
            "--network=none", *LIMITS, "--tmpfs=/tmp",
            "--tmpfs=/var/lib/energy-platform:mode=0700,U",
            image, *arguments, check=False,
        )  # fmt: skip

    def save(self, image: str, archive: Path) -> None:
        """Write an image to an archive that Docker loads."""
        archive.unlink(missing_ok=True)
        self.podman("save", "--quiet", "--format=docker-archive", "--output", str(archive), image)

    def _build(self, name: str, dockerfile: Path, base: str, *options: str) -> None:
        borrowed = [f"--volume={one}:{one}:ro" for one in _PIP_FILES if Path(one).exists()]
        certificates = os.environ.get("PIP_CERT")
        if certificates:
            borrowed += [f"--volume={certificates}:{certificates}:ro",
                         f"--env=PIP_CERT={certificates}"]  # fmt: skip
        self._run(
            "buildah", "bud", "--quiet", "--layers", "--isolation=chroot", *borrowed,
            f"--build-arg=BASE={base}", f"--file={dockerfile}",
            *options, f"--tag={name}", str(PROJECT),
        )  # fmt: skip

    def _run(
        self, program: str, *arguments: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        done = subprocess.run(
            [program, *places, *arguments], env=self._environment(), capture_output=True, text=True,
            check=False, timeout=_BUILD_SECONDS,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}
