"""Runs a simulated world: every provider on its sockets, and a way to ask for faults.

What a provider sends is defined in its own module. The routes under `/control` belong to the
simulator itself, not to a market.
"""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from energy_platform.operations.strangers import ProgramsOnly
from simulator.faults import Fault, FaultKind
from simulator.recorded import Recorded
from simulator.world import (
    ADDRESSES_NAME,
    CLOCK_NAME,
    OpenProvider,
    SimulatedProvider,
    World,
    modelled_providers,
)

CONTROLS: Final = "http://controls.simulator"
"""The made-up address that stands for the simulator's own controls."""

_THREADS = 32
_SWITCH_SECONDS = 0.0005
"""How long a thread of the FTP and AWS servers may run before the event loop gets a turn. Python's
default is ten times as long.
"""


def control_routes(world: World) -> list[Route]:
    """Return the routes with which a test, or a person, controls the world."""

    async def ask_fault(request: Request) -> Response:
        asked = await request.json()
        try:
            fault = Fault(
                kind=FaultKind(asked["kind"]),
                count=int(asked.get("count", 1)),
                seconds=float(asked.get("seconds", 5.0)),
            )
            world.faults.ask(asked["source"], fault)
        except (KeyError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"pending": world.faults.pending(asked["source"])})

    async def freeze(_request: Request) -> Response:
        world.clock.freeze()
        # Feeds go by the same clock: they stop asking for windows that will never come.
        world.clock.save(world.folder / CLOCK_NAME)
        return JSONResponse({"market_time": world.clock.now().isoformat()})

    async def state(_request: Request) -> Response:
        return JSONResponse({"market_time": world.clock.now().isoformat()})

    return [
        Route("/faults", ask_fault, methods=["POST"]),
        Route("/freeze", freeze, methods=["POST"]),
        Route("/state", state),
    ]


def application(world: World, served: Sequence[SimulatedProvider]) -> Starlette:
    """Return the ASGI application that speaks for every provider reached by HTTP."""
    mounts = [Mount(f"/{provider.name}", routes=provider.routes()) for provider in served]
    return Starlette(routes=[*mounts, Mount("/control", routes=control_routes(world))])


def opened(world: World, wanted: Iterable[OpenProvider]) -> list[SimulatedProvider]:
    """Open providers in a world, and add their addresses to it.

    They are opened in turn: each can see which sources the earlier ones have a model of.
    """
    served = []
    world.addresses.clear()
    world.modelled.clear()
    world.addresses[CONTROLS] = f"{world.url}/control"
    for open_provider in wanted:
        provider = open_provider(world)
        world.addresses.update(provider.addresses())
        world.modelled.update(provider.models)
        served.append(provider)
    return served


@contextlib.asynccontextmanager
async def running(
    world: World, wanted: Iterable[OpenProvider] | None = None
) -> AsyncIterator[list[SimulatedProvider]]:
    """Run a world (all its providers unless some are named) for as long as the context lasts.

    The context begins when all servers listen, and yields the opened providers.
    """
    served = opened(world, [*modelled_providers(), Recorded] if wanted is None else wanted)
    # A server that is no coroutine occupies a thread for as long as it serves.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    server = uvicorn.Server(
        uvicorn.Config(
            ProgramsOnly(application(world, served), host=world.host),
            log_level="warning",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,  # as providers do; a client that pauses is not cut off
        )
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            running_tasks = [tasks.create_task(provider.run()) for provider in served]
            serving = tasks.create_task(server.serve(sockets=[world.listeners.socket("http")]))
            while not server.started:
                await asyncio.sleep(0.01)
            try:
                yield served
            finally:
                for task in running_tasks:
                    task.cancel()
                server.should_exit = True
                await serving
    finally:
        world.listeners.close()


@contextlib.contextmanager
def _addresses_told(world: World) -> Iterator[None]:
    """Write the addresses of a world to a file, which exists while the context lasts."""
    told = world.folder / ADDRESSES_NAME
    fresh = told.with_suffix(".new")
    fresh.write_text(json.dumps(world.addresses))
    fresh.replace(told)
    try:
        yield
    finally:
        told.unlink(missing_ok=True)


async def serve(world: World, wanted: Iterable[OpenProvider] | None = None) -> None:
    """Run a world (all its providers unless some are named) until SIGINT or SIGTERM."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    (world.folder / ADDRESSES_NAME).unlink(missing_ok=True)  # another run's, which was killed
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with running(world, wanted):
        # After uvicorn has set its own handlers, so that these count.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        with _addresses_told(world):
            await stopped.wait()
