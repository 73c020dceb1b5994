"""Google's own Pub/Sub emulator, where its Cloud SDK is installed with that component."""

import shutil
import subprocess
from pathlib import Path
from typing import Final, Self

import grpc

from tests.support.feeds import free_ports

_FOLDERS: Final = ("/usr/lib/google-cloud-sdk", "/opt/google-cloud-sdk", "~/google-cloud-sdk")
_JAR: Final = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
_JAVA: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_START_SECONDS: Final = 60.0

MISSING: Final = "no Pub/Sub emulator: `gcloud components install pubsub-emulator`, and Java"


def is_installed() -> bool:
    return _jar() is not None and shutil.which("java") is not None


class PubSubEmulator:
    """An emulator, which remembers nothing once it was killed."""

    def __init__(self) -> None:
        jar, java = _jar(), shutil.which("java")
        if jar is None or java is None:
            raise FileNotFoundError(MISSING)
        [port] = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self._command = [java, *_JAVA, "-jar", str(jar), "--host=127.0.0.1", f"--port={port}"]
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with grpc.insecure_channel(self.address) as channel:
            grpc.channel_ready_future(channel).result(_START_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _jar() -> Path | None:
    folders = [Path(folder).expanduser() for folder in _FOLDERS]
    gcloud = shutil.which("gcloud")
    if gcloud is not None:
        folders.append(Path(gcloud).resolve().parents[1])
    return next((jar for folder in folders for jar in sorted(folder.glob(_JAR))), None)
