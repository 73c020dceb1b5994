"""Every example in a docstring, and in the guide to history, does what it says."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import energy_platform

PACKAGE = Path(energy_platform.__file__).parent
WITH_EXAMPLES = [
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    for file in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in file.read_text()
]


def test_there_are_examples() -> None:
    assert "energy_platform.reading.rows" in WITH_EXAMPLES


@pytest.mark.parametrize("name", WITH_EXAMPLES)
@pytest.mark.usefixtures("home")
def test_the_examples_of_a_module(name: str) -> None:
    module = importlib.import_module(name.removesuffix(".__init__"))
    assert doctest.testmod(module).failed == 0


@pytest.mark.usefixtures("home")
def test_the_examples_of_the_guide_to_history() -> None:
    guide = (PACKAGE.parent / "docs" / "history.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    exec("\n".join(examples), {})
