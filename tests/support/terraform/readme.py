"""The tables of inputs and outputs in the module's README, made from its files.

    python -m tests.support.terraform.readme

writes them anew. terraform-docs does the same, and no registry here has it.
"""

import re
from pathlib import Path
from typing import Final

MODULE: Final = Path(__file__).resolve().parents[3] / "deploy" / "terraform"
_BLOCK: Final = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_DESCRIPTION: Final = re.compile(r'^  description = "((?:[^"\\]|\\.)*)"', re.MULTILINE)
_DEFAULT: Final = re.compile(r"^  default\s+= (.*?)\n(?=^  \w|^\n|\Z)", re.MULTILINE | re.DOTALL)
_PLACE: Final = "(?<=<!-- {0} -->\n).*(?=<!-- end of {0} -->)"


def written(text: str) -> str:
    """Return the README with its tables as the module's files have them."""
    for kind, file in (("inputs", "variables.tf"), ("outputs", "outputs.tf")):
        table = _table(kind, (MODULE / file).read_text("utf-8"))
        place = re.compile(_PLACE.format(kind), re.DOTALL)
        text, places = place.subn(lambda _, table=table: table, text)  # type: ignore[misc]
        assert places == 1, f"the README has {places} places for {kind}"
    return text


def _table(kind: str, source: str) -> str:
    lines = []
    for _, name, body in _BLOCK.findall(source):
        described = _DESCRIPTION.search(body)
        assert described is not None, f"{name} has no description"
        says = described[1].replace('\\"', '"').replace("|", "\\|")
        if kind == "outputs":
            lines.append(f"| `{name}` | {says} |")
        else:
            default = _DEFAULT.search(body)
            value = "required" if default is None else f"`{' '.join(default[1].split())}`"
            lines.append(f"| `{name}` | {value} | {says} |")
    head = (
        ["| output | what |", "| --- | --- |"]
        if kind == "outputs"
        else ["| input | default | what |", "| --- | --- | --- |"]
    )
    return "".join(f"{line}\n" for line in [*head, *lines])


if __name__ == "__main__":
    readme = MODULE / "README.md"
    readme.write_text(written(readme.read_text("utf-8")), "utf-8")
