"""A served desk in a home of its own."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.dashboard import Desk


@pytest.fixture
def desk(home: Path) -> Iterator[Desk]:
    with closing(Desk(home)) as served:
        yield served
