"""`GET /api/openapi.json`: hal0's own API as an OpenAPI 3.1 document, made of the table of routes and the models."""

import asyncio
import json
import re
from functools import cache
from typing import Any

from pydantic import BaseModel
from quart import Blueprint, Response

from hal0 import __version__
from hal0.daemon.admin.openapi_routes import JSON, ROUTES, Listed, Route
from hal0.daemon.admin.replies import JSON as JSON_TYPE
from hal0.daemon.services import Services
from hal0.errors import CATALOGUE

REFERENCES = "#/components/schemas/{model}"
PARAMETER = re.compile(r"\{(\w+)\}")


def make(services: Services) -> Blueprint:
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    async def show_document() -> Response:
        # A tenth of a second the first time: not on the loop, which relays streams.
        return Response(await asyncio.to_thread(_text), content_type=JSON_TYPE)

    return routes


@cache
def _text() -> str:
    return json.dumps(document(), ensure_ascii=False)


def document() -> dict[str, Any]:
    """The whole of it."""
    from pydantic.json_schema import models_json_schema  # not before somebody asks

    models = sorted(_models(), key=lambda model: model.__name__)
    references, schemas = models_json_schema(
        [(model, "validation") for model in models], by_alias=True, ref_template=REFERENCES
    )
    named = {model: references[model, "validation"] for model in models}
    paths: dict[str, dict[str, Any]] = {}
    for tag, routes in ROUTES.items():
        for route in routes:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, tag, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hal0",
            "version": __version__,
            "description": "Under /v1 what OpenAI's and Anthropic's clients speak; under /api the daemon itself, for "
            "programs of this machine.",
        },
        "paths": paths,
        "components": {"schemas": {**schemas["$defs"], "Failure": _failure()}},
    }


def _models() -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()
    for route in (route for routes in ROUTES.values() for route in routes):
        answer = route.answer.of if isinstance(route.answer, Listed) else route.answer
        found |= {model for model in (answer, route.body) if model is not None}
    return found


def _operation(route: Route, tag: str, named: dict[type[BaseModel], Any]) -> dict[str, Any]:
    failure = {"schema": {"$ref": REFERENCES.format(model="Failure")}}
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *re.findall(r"\w+", route.path)]),
        "summary": route.summary,
        "tags": [tag],
        "responses": {
            str(route.status): {
                "description": "As asked for.",
                "content": {media: _content(route, media, named) for media in route.media},
            },
            "default": {"description": "A failure.", "content": {JSON: failure}},
        },
    }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body is not None:
        is_needed = any(field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {"required": is_needed, "content": {route.takes: {"schema": named[route.body]}}}
    return operation


def _content(route: Route, media: str, named: dict[type[BaseModel], Any]) -> dict[str, Any]:
    if media != JSON:
        return {"schema": {"type": "string"}}
    if isinstance(route.answer, Listed):
        listed = {"type": "array", "items": named[route.answer.of]}
        return {
            "schema": {"type": "object", "properties": {route.answer.name: listed}, "required": [route.answer.name]}
        }
    return {"schema": {"type": "object"} if route.answer is None else named[route.answer]}


def _parameters(route: Route) -> list[dict[str, Any]]:
    text = {"schema": {"type": "string"}}
    found = [{"name": name, "in": "path", "required": True, **text} for name in PARAMETER.findall(route.path)]
    found += [{"name": name, "in": "query", "description": what, **text} for name, what in (route.query or {}).items()]
    if route.writes:
        what = "the ETag or the revision that the writer saw, or * for any"
        found.append({"name": "If-Match", "in": "header", "description": what, **text})
    return found


def _failure() -> dict[str, Any]:
    """The envelope of every failure."""
    error = {
        "type": "object",
        "required": ["code", "message", "details", "type", "param"],
        "properties": {
            "code": {"type": "string", "enum": sorted(CATALOGUE)},
            "message": {"type": "string"},
            "details": {"type": "object"},
            "type": {"type": "string", "enum": sorted({spec.type for spec in CATALOGUE.values()})},
            "param": {"type": ["string", "null"]},
        },
    }
    return {"type": "object", "required": ["error"], "properties": {"error": error}}
