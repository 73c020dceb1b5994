"""A process that stands in for Terraform's Google provider: its schema is real, its cloud is not.

    python -m tests.support.terraform.stand_in_provider --resources a,b --data-sources c

It prints the address that `TF_REATTACH_PROVIDERS` takes, and serves until its standard input ends.
Terraform plans and applies against it as against the provider. It refuses what the schema refuses
and the values that the provider's documentation does not name; what Google would make up, such as
an address, is made up here.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
import msgpack
from tf.gen import grpc_controller_pb2_grpc, grpc_stdio_pb2_grpc, tfplugin_pb2_grpc
from tf.gen import tfplugin_pb2 as pb

from tests.support.terraform.provider_schema import (
    Attribute,
    Block,
    ProviderSchema,
    Type,
    provider_schema,
)

_ADDRESS: Final = "registry.terraform.io/hashicorp/google"
_PROTOCOL: Final = 6
_WRITE_ONLY: Final = b"\x58\x01"
"""Field 11 of an attribute, true; the library's protocol is older than write-only attributes."""
_UNKNOWN: Final = msgpack.ExtType(0, b"\x00")
_NESTINGS: Final = {
    "list": pb.Schema.NestedBlock.LIST,
    "set": pb.Schema.NestedBlock.SET,
    "single": pb.Schema.NestedBlock.SINGLE,
}
_Value = dict[str, Any]

_KNOWN_AT_PLAN: Final = {
    "google_service_account": {
        "email": "{account_id}@{project}.iam.gserviceaccount.com",
        "member": "serviceAccount:{account_id}@{project}.iam.gserviceaccount.com",
        "name": "projects/{project}/serviceAccounts/{account_id}@{project}.iam.gserviceaccount.com",
    }
}
"""What the provider computes by itself, before Google is asked."""


def _type_json(one: Type) -> Any:
    if isinstance(one, str):
        return one
    kind, inner = one
    if isinstance(inner, dict):
        return [kind, {name: _type_json(each) for name, each in inner.items()}]
    return [kind, _type_json(inner)]


def _attribute(name: str, one: Attribute) -> pb.Schema.Attribute:
    said = pb.Schema.Attribute(
        name=name,
        type=json.dumps(_type_json(one.type)).encode(),
        required=one.required,
        optional=one.optional,
        computed=one.computed,
    )
    if one.write_only:
        said.MergeFromString(_WRITE_ONLY)
    return said


def _block(block: Block) -> pb.Schema.Block:
    return pb.Schema.Block(
        attributes=[_attribute(name, one) for name, one in block.attributes.items()],
        block_types=[
            pb.Schema.NestedBlock(
                type_name=name,
                block=_block(one.block),
                nesting=_NESTINGS[one.nesting],
                min_items=one.least,
                max_items=one.most,
            )
            for name, one in block.blocks.items()
        ],
    )


def _schemas(blocks: dict[str, Block]) -> dict[str, pb.Schema]:
    return {name: pb.Schema(block=_block(one)) for name, one in blocks.items()}


def _packed(value: object) -> pb.DynamicValue:
    return pb.DynamicValue(msgpack=msgpack.packb(value))


def _read(value: pb.DynamicValue) -> _Value | None:
    read: _Value | None = (
        msgpack.unpackb(value.msgpack, strict_map_key=False)
        if value.msgpack
        else json.loads(value.json)
    )
    return read


def _filled(block: Block, value: _Value, fill: Callable[[str, Type], object]) -> _Value:
    """Fill in what the cloud computes and nobody has given."""
    filled = dict(value)
    for name, one in block.attributes.items():
        if one.write_only:
            filled[name] = None
        elif one.computed and (filled.get(name) is None or filled[name] == _UNKNOWN):
            filled[name] = fill(name, one.type)
    for name, nested in block.blocks.items():
        inner = filled.get(name)
        if isinstance(inner, list):
            filled[name] = [_filled(nested.block, one, fill) for one in inner]
        elif isinstance(inner, dict):
            filled[name] = _filled(nested.block, inner, fill)
    return filled


def _made_up(name: str, one: Type) -> object:
    """Return a value of a type, as Google might compute it: its name shows where it comes from."""
    if isinstance(one, str):
        return {"number": 1, "bool": False}.get(one, f"computed-{name.replace('_', '-')}")
    kind, inner = one
    if isinstance(inner, dict):
        return {part: _made_up(part, each) for part, each in inner.items()}
    return {} if kind == "map" else [_made_up(name, inner)]


def _refusals(block: Block, value: _Value, path: tuple[str | int, ...]) -> list[pb.Diagnostic]:
    """Return what the provider's documentation does not allow."""
    found = []
    for name, one in block.attributes.items():
        given = value.get(name)
        if one.values and isinstance(given, str) and given not in one.values:
            found.append(
                pb.Diagnostic(
                    severity=pb.Diagnostic.ERROR,
                    summary=f"{name} must be one of {', '.join(one.values)}: {given!r} is not",
                    attribute=_path((*path, name)),
                )
            )
    for name, nested in block.blocks.items():
        inner = value.get(name)
        for number, each in enumerate(inner if isinstance(inner, list) else [inner]):
            if isinstance(each, dict):
                found += _refusals(nested.block, each, (*path, name, number))
    return found


def _path(steps: tuple[str | int, ...]) -> pb.AttributePath:
    return pb.AttributePath(
        steps=[
            pb.AttributePath.Step(attribute_name=one)
            if isinstance(one, str)
            else pb.AttributePath.Step(element_key_int=one)
            for one in steps
        ]
    )


class StandIn(tfplugin_pb2_grpc.ProviderServicer):  # type: ignore[misc] # it has no types
    """The provider's side of Terraform's protocol."""

    def __init__(self, schema: ProviderSchema) -> None:
        self._schema = schema

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        del request, context
        return pb.GetProviderSchema.Response(
            provider=pb.Schema(block=_block(self._schema.provider)),
            resource_schemas=_schemas(self._schema.resources),
            data_source_schemas=_schemas(self._schema.data_sources),
        )

    def GetMetadata(self, request: Any, context: Any) -> Any:
        del request, context
        return pb.GetMetadata.Response(
            resources=[
                pb.GetMetadata.ResourceMetadata(type_name=one) for one in self._schema.resources
            ],
            data_sources=[
                pb.GetMetadata.DataSourceMetadata(type_name=one)
                for one in self._schema.data_sources
            ],
        )

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        del request, context
        return pb.ValidateProviderConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        del request, context
        return pb.ConfigureProvider.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        del context
        block = self._schema.resources[request.type_name]
        refused = _refusals(block, _read(request.config) or {}, ())
        return pb.ValidateResourceConfig.Response(diagnostics=refused)

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        del request, context
        return pb.ValidateDataResourceConfig.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        del context
        state = _packed(json.loads(request.raw_state.json))
        return pb.UpgradeResourceState.Response(upgraded_state=state)

    def ReadResource(self, request: Any, context: Any) -> Any:
        del context
        return pb.ReadResource.Response(new_state=request.current_state)

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        del context
        proposed = _read(request.proposed_new_state)
        if proposed is not None:
            for name, text in _KNOWN_AT_PLAN.get(request.type_name, {}).items():
                proposed[name] = text.format(**proposed)
            block = self._schema.resources[request.type_name]
            proposed = _filled(block, proposed, lambda *_: _UNKNOWN)
        # Google's provider is built with the older library, and so are its promises.
        return pb.PlanResourceChange.Response(
            planned_state=_packed(proposed), legacy_type_system=True
        )

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        del context
        planned = _read(request.planned_state)
        if planned is not None:
            planned = _filled(self._schema.resources[request.type_name], planned, _made_up)
        return pb.ApplyResourceChange.Response(new_state=_packed(planned), legacy_type_system=True)

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        del context
        block = self._schema.data_sources[request.type_name]
        return pb.ReadDataSource.Response(
            state=_packed(_filled(block, _read(request.config) or {}, _made_up))
        )

    def StopProvider(self, request: Any, context: Any) -> Any:
        del request, context
        return pb.StopProvider.Response()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", required=True)
    parser.add_argument("--data-sources", default="")
    asked = parser.parse_args()
    schema = provider_schema(
        filter(None, asked.resources.split(",")), filter(None, asked.data_sources.split(","))
    )
    server = grpc.server(ThreadPoolExecutor(max_workers=16))
    tfplugin_pb2_grpc.add_ProviderServicer_to_server(StandIn(schema), server)
    grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(
        grpc_controller_pb2_grpc.GRPCControllerServicer(), server
    )
    grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(
        grpc_stdio_pb2_grpc.GRPCStdioServicer(), server
    )
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "provider.sock"
        server.add_insecure_port(f"unix:{socket}")
        server.start()
        about = {
            "Protocol": "grpc",
            "ProtocolVersion": _PROTOCOL,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": str(socket)},
        }
        print(json.dumps({_ADDRESS: about}), flush=True)  # noqa: T201 (its address)
        sys.stdin.read()
        server.stop(grace=None)


if __name__ == "__main__":
    main()
