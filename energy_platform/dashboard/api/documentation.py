"""`/api/docs`: every resource with its parameters, on a page that loads nothing else."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse


def router(application: FastAPI) -> APIRouter:
    """Return the resource, which describes an application's others."""
    routes = APIRouter(prefix="/api")

    @routes.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse("".join(_page(application.openapi())))

    return routes


def _page(schema: Mapping[str, Any]) -> Iterator[str]:
    title = escape(f"{schema['info']['title']}: the API")
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
    yield f"<h1>{title}</h1><p>The same for programs: <a href=/api/openapi.json>openapi.json</a>."
    yield "<p>Answers are JSON, CSV, Arrow or Parquet, by <code>format</code> or an Accept header."
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('summary', ''))}</p><dl>"
            for one in operation.get("parameters", ()):
                said = one.get("description") or one["schema"].get("description") or ""
                yield f"<dt><code>{escape(one['name'])}</code><dd>{escape(said)}"
            yield "</dl>"
    yield "</html>"
