"""What the Makefile does besides calling one tool: what it compiles, and which tests it names."""

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


def test_every_test_of_a_whole_platform_is_in_a_folder_that_is_run() -> None:
    named = re.search(r"^WHOLE_PLATFORMS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert named is not None
    folders = [ROOT / folder for folder in named[1].split()]
    marked = [
        file for file in ROOT.glob("tests/**/*.py")
        if "mark.end_to_end" in file.read_text() and file != Path(__file__)
    ]  # fmt: skip
    assert len(marked) > len(folders)
    assert [file for file in marked if not any(one in file.parents for one in folders)] == []
