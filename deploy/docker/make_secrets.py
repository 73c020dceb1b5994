"""Makes the passwords of `compose.yaml`, each in the volume of those who need it.

    python make_secrets.py FOLDER

A password that is there stays: a database knows it. Each folder below FOLDER is a volume; it
belongs to one kind of client, so that a container sees no password but its own. A file that is
named as a variable is read through ENERGY_PLATFORM_SECRET_FILES.
"""

import secrets
import sys
from pathlib import Path
from typing import Final

_BROKER: Final = "broker:6379/0"
_LIVE_BUS: Final = "live-bus:6379/0"
_STATE: Final = "pgbouncer:6432/energy"
_READABLE: Final = 0o444
"""Other images read as users of their own; nobody else is given the volume."""


def texts() -> dict[str, str]:
    """Return new secrets, by their files."""
    database = secrets.token_urlsafe(32)
    return {
        "broker/ENERGY_PLATFORM_BROKER_URL": f"redis://runs:{secrets.token_urlsafe(32)}@{_BROKER}",
        "live-bus/ENERGY_PLATFORM_LIVE_BUS": (
            f"redis://follower:{secrets.token_urlsafe(32)}@{_LIVE_BUS}"
        ),
        "live-bus-publisher/ENERGY_PLATFORM_LIVE_BUS_PUBLISHER": (
            f"redis://publisher:{secrets.token_urlsafe(32)}@{_LIVE_BUS}"
        ),
        "postgres/password": database,
        "pgbouncer/users.txt": f'"energy" "{database}"\n',
        "state/ENERGY_PLATFORM_STATE_URL": f"postgresql://energy:{database}@{_STATE}",
        "influxdb/ENERGY_PLATFORM_INFLUXDB_TOKEN": secrets.token_urlsafe(32),
        "influxdb-setup/password": secrets.token_urlsafe(32),
        "grafana/password": secrets.token_urlsafe(32),
    }


def make(folder: Path) -> None:
    """Write what is missing; all passwords of the database, or none, are made anew."""
    made = texts()
    if (folder / "postgres/password").exists():
        database = (folder / "postgres/password").read_text()
        made["pgbouncer/users.txt"] = f'"energy" "{database}"\n'
        made["state/ENERGY_PLATFORM_STATE_URL"] = f"postgresql://energy:{database}@{_STATE}"
    for name, text in made.items():
        file = folder / name
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}")
        fresh.unlink(missing_ok=True)
        fresh.write_text(text)
        fresh.chmod(_READABLE)
        fresh.replace(file)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
