"""The OpenAPI document names every route that there is, and no other."""

import json
import re
from typing import Any, cast

import pytest

from hal0.daemon.admin.app import make_admin
from hal0.daemon.admin.openapi import document
from hal0.daemon.admin.openapi_routes import ROUTES
from hal0.daemon.front import BELOW, FACTS
from hal0.daemon.proxy.app import PATHS

DOCUMENT = json.loads(json.dumps(document()))


class Nothing:
    """Stands for services that nobody asks; routes are made without them."""

    def __getattr__(self, name: str) -> "Nothing":
        return self


def real_routes() -> set[tuple[str, str]]:
    found = {("POST", path) for path in PATHS}
    found |= {("GET", path) for path in (*FACTS, *(f"{each}{{name}}" for each in BELOW))}
    for rule in make_admin(cast(Any, Nothing())).url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        found |= {(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    return found


def test_every_route_is_in_the_table_and_none_that_is_not_there() -> None:
    told = [(route.method, route.path) for routes in ROUTES.values() for route in routes]
    assert len(told) == len(set(told))
    assert set(told) == real_routes()


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {
            *([value["$ref"]] if "$ref" in value else []),
            *(r for each in value.values() for r in references(each)),
        }
    return {r for each in value for r in references(each)} if isinstance(value, list) else set()


def test_references_lead_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert references(DOCUMENT) == {f"#/components/schemas/{name}" for name in schemas}


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_an_operation_is_whole(path: str) -> None:
    for method, operation in DOCUMENT["paths"][path].items():
        assert method in ("get", "post", "put", "patch", "delete")
        assert operation["summary"]
        named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))
        assert set(operation["responses"]) > {"default"}
        assert ("requestBody" in operation) <= (method != "get")


def test_ids_of_operations_are_their_own() -> None:
    ids = [each["operationId"] for path in DOCUMENT["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))
