"""The platform of compose on a real Docker: each container killed in turn, and no row lost."""

import os
from pathlib import Path

import pytest

from tests.faults.compose import FOLDER, wrong
from tests.support import container_images, docker_daemon
from tests.support.compose_platform import compose_platform
from tests.support.container_images import Images

LACKING = container_images.missing() or docker_daemon.missing()

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.timeout(7_200),
    pytest.mark.skipif(bool(LACKING), reason=LACKING),
]


def test_no_row_is_lost_or_doubled_while_each_container_is_killed(tmp_path: Path) -> None:
    images = Images(Path(os.environ.get("IMAGES_FOLDER", FOLDER)))
    with compose_platform(tmp_path / "docker", images) as platform:
        for name in sorted(platform.containers()):
            platform.recovery_of(name)
        found = platform.accounts()
    assert wrong(found) == []
    assert all(one["stored"] for one in found)
