"""The schema of Terraform's Google provider, read from the bindings that are published of it.

`cdktn-provider-google` is generated from the provider's own schema, so the schema can be read back
from its JavaScript: each attribute with its type, whether it is required, optional or computed, and
each block with its nesting. Its documentation names the values that some attributes take. What the
provider checks beyond that is not in it.
"""

import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath
from typing import Final

Type = str | tuple[str, "Type"] | tuple[str, dict[str, "Type"]]
"""A type as Terraform writes it: `string`, `("list", "string")`, `("object", {…})`."""

_CLASS: Final = re.compile(
    r"^class (?P<name>\w+) extends cdktn\.(?P<base>\w+) \{\n(?P<body>.*?)^\}\n",
    re.MULTILINE | re.DOTALL,
)
_FUNCTION: Final = re.compile(
    r"^function (?P<name>\w+)ToHclTerraform\(struct\) \{\n(?P<body>.*?)^\}\n",
    re.MULTILINE | re.DOTALL,
)
_HCL: Final = re.compile(
    r"^\s+(?P<name>\w+): \{\s+value: (?P<value>.*?),\n\s+isBlock: (?P<block>true|false),"
    r'\s+type: "(?P<type>\w+)",\s+storageClassType: "(?P<storage>\w+)",',
    re.MULTILINE | re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(
    r"^    // (?P<name>\w+) - computed: (?P<computed>\w+), optional: (?P<optional>\w+),"
    r" required: (?P<required>\w+)\n(?P<code>.*?)(?=^    // \w+ - computed|^    // ====|\Z)",
    re.MULTILINE | re.DOTALL,
)
_RESOURCE_TYPE: Final = re.compile(r'static tfResourceType = "(\w+)"')
_GETTER: Final = re.compile(r"this\.get(\w+)Attribute\(")
_MEMBER: Final = re.compile(r"= new (?P<class>[\w.]+)\(this, \"\w+\"(?:, (?P<set>true|false))?\)")
_SIMPLE: Final[dict[str, Type]] = {
    "string": "string",
    "number": "number",
    "boolean": "bool",
    "any": "string",
}
_GETTERS: Final[dict[str, Type]] = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ("list", "string"),
    "NumberList": ("list", "number"),
    "BooleanList": ("list", "bool"),
    "StringMap": ("map", "string"),
    "NumberMap": ("map", "number"),
    "BooleanMap": ("map", "bool"),
}
_DOCUMENTED: Final = re.compile(r"/\*\*(?P<text>.*?)\*/\s*readonly (?P<name>\w+)\??:", re.DOTALL)
_VALUES: Final = re.compile(r"Possible values: \[(\"[^\]]*\")\]")
_INTERFACE: Final = re.compile(
    r"^export interface (?P<name>\w+).*?\{\n(?P<body>.*?)^\}\n", re.MULTILINE | re.DOTALL
)
_WRITE_ONLY: Final = re.compile(r"_wo$")
_PACKAGE: Final = "cdktn-provider-google"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute: its type, who gives its value, and the values that its documentation names."""

    type: Type
    computed: bool
    optional: bool
    required: bool
    values: tuple[str, ...] = ()
    write_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """A block in a block: `list`, `set` or `single`, and how often it may be there."""

    nesting: str
    least: int
    most: int
    block: "Block"


@dataclass(frozen=True, slots=True)
class Block:
    """What a resource, or a block of it, consists of."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: dict[str, Nested] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderSchema:
    """The schema of the provider itself, and of some resources and data sources."""

    provider: Block
    resources: dict[str, Block]
    data_sources: dict[str, Block]


def provider_schema(resources: Iterable[str], data_sources: Iterable[str] = ()) -> ProviderSchema:
    """Read the schema of these types; one that the provider does not have is left out."""
    wanted = {_folder(one): one for one in resources}
    wanted_data = {"data-google-" + _folder(one): one for one in data_sources}
    found = dict(_read({"provider", *wanted, *wanted_data}))
    return ProviderSchema(
        provider=found["provider"],
        resources={name: found[one] for one, name in wanted.items() if one in found},
        data_sources={name: found[one] for one, name in wanted_data.items() if one in found},
    )


def _folder(terraform_type: str) -> str:
    return terraform_type.removeprefix("google_").replace("_", "-")


def _read(folders: set[str]) -> Iterator[tuple[str, Block]]:
    """Yield the schema of each folder of the bindings, in one pass over their archive."""
    # The package is not imported: it would start node.
    (archive,) = (one for one in distribution(_PACKAGE).files or () if one.suffix == ".tgz")
    code, declarations = dict[str, str](), dict[str, str]()
    with tarfile.open(Path(str(archive.locate())), mode="r|gz") as members:
        for member in members:
            path = PurePosixPath(member.name)
            if path.parent.name in folders and path.parent.parent.name == "lib":
                texts = {"index.js": code, "index.d.ts": declarations}.get(path.name)
                content = members.extractfile(member)
                if texts is not None and content is not None:
                    texts[path.parent.name] = content.read().decode()
    for folder, text in code.items():
        yield folder, _Bindings(text, declarations[folder]).block


class _Bindings:
    """The bindings of one resource."""

    def __init__(self, code: str, declarations: str) -> None:
        self._classes = {one["name"]: one["body"] for one in _CLASS.finditer(code)}
        self._functions = {one["name"].lower(): one["body"] for one in _FUNCTION.finditer(code)}
        self._values = dict(_documented_values(declarations))

    @cached_property
    def block(self) -> Block:
        """The resource's schema."""
        ((name, body),) = ((n, b) for n, b in self._classes.items() if _RESOURCE_TYPE.search(b))
        return self._block(body, body, f"{name}Config")

    def _block(self, members: str, hcl: str, struct: str) -> Block:
        block, said = Block(), {one["name"]: one for one in _HCL.finditer(hcl)}
        for member in _ATTRIBUTE.finditer(members):
            name = member["name"]
            given = said.get(name)
            if given is not None and _is_block(given):
                block.blocks[name] = self._nested(member, given)
                continue
            block.attributes[name] = Attribute(
                type=self._type(member, given),
                computed=member["computed"] == "true",
                optional=member["optional"] == "true",
                required=member["required"] == "true",
                values=self._values.get((struct, name), ()),
                write_only=bool(_WRITE_ONLY.search(name)),
            )
        return block

    def _nested(self, member: re.Match[str], given: re.Match[str]) -> Nested:
        struct = _struct(given["storage"])
        nesting = {"struct": "single"}.get(given["type"], given["type"])
        many = "listMapperHcl" in given["value"]
        return Nested(
            nesting=nesting,
            least=int(member["required"] == "true"),
            most=0 if many or nesting == "single" else 1,
            block=self._struct(struct),
        )

    def _struct(self, struct: str) -> Block:
        members, hcl = (
            self._classes.get(f"{struct}OutputReference"),
            self._functions.get(struct.lower(), ""),
        )
        if members is not None:
            return self._block(members, hcl, struct)
        # What can be given and never read, as a provider's blocks, has no members: all is optional.
        return Block(
            {
                one["name"]: Attribute(
                    type=_stored(one["type"], one["storage"]),
                    computed=False,
                    optional=True,
                    required=False,
                )
                for one in _HCL.finditer(hcl)
            }
        )

    def _type(self, member: re.Match[str], given: re.Match[str] | None) -> Type:
        if given is not None and not _is_complex(given):
            return _stored(given["type"], given["storage"])
        if given is not None:
            return (given["type"], self._object(_struct(given["storage"])))
        if getter := _GETTER.search(member["code"]):
            fits = "cdktn.Fn.tolist" in member["code"]
            found = _GETTERS[getter[1]]
            return ("set", found[1]) if fits and isinstance(found, tuple) else found  # type: ignore[return-value]
        made = _MEMBER.search(member["code"])
        if made is None:
            return "string"
        kind = made["class"].removeprefix("cdktn.")
        if kind in _GETTERS:
            return _GETTERS[kind]
        return ("set" if made["set"] == "true" else "list", self._object(_struct(kind)))

    def _object(self, struct: str) -> Type:
        block = self._struct(struct)
        return ("object", {name: one.type for name, one in block.attributes.items()})


def _is_block(given: re.Match[str]) -> bool:
    return _is_complex(given) and not (
        "listMapperHcl" in given["value"] and ", false)" in given["value"]
    )


def _is_complex(given: re.Match[str]) -> bool:
    return given["storage"][0].isupper()


def _struct(class_name: str) -> str:
    return re.sub(r"(List|Map|OutputReference)$", "", class_name)


def _stored(kind: str, storage: str) -> Type:
    """Return the type of an attribute: `set` of `stringList` is a set of texts."""
    element = _SIMPLE[re.sub(r"(List|Map)$", "", storage)]
    return element if kind == "simple" else (kind, element)


def _documented_values(declarations: str) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    for interface in _INTERFACE.finditer(declarations):
        for documented in _DOCUMENTED.finditer(interface["body"]):
            if values := _VALUES.search(documented["text"]):
                name = re.sub(r"(?<!^)(?=[A-Z])", "_", documented["name"]).lower()
                yield (
                    (interface["name"], name),
                    tuple(one.strip(' "') for one in values[1].split(",")),
                )
