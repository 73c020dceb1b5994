"""What set-up runs to compile what the first start imports is Python that runs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_is_compiled_at_set_up_can_be_imported() -> None:
    makefile = (ROOT / "Makefile").read_text()
    program = re.search(r"^define COMPILE\n(.*?)^endef$", makefile, re.DOTALL | re.MULTILINE)
    assert program is not None
    said = subprocess.run(
        [sys.executable, "-c", program[1]], cwd=ROOT, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
