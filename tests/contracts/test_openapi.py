"""The OpenAPI document is the code's, says all that happens, and is fit for generators of clients."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest

from flow_forecaster.app import build_api
from flow_forecaster.schemas.api_keys import Scope
from flow_forecaster.schemas.kinds import KindName
from flow_forecaster.settings import Settings
from routers.asking import until
from routers.keys import a_key, bearing, keyring

COMMITTED = Path(__file__).parents[2] / "openapi.json"
DOCUMENT: dict[str, Any] = build_api(Settings()).openapi()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
EACH = pytest.mark.parametrize("name", OPERATIONS)
VERBS = {
    "create",
    "list",
    "get",
    "restore",
    "cancel",
    "delete",
    "put",
    "update",
    "redeliver",
    "import",
    "resolve",
    "rotate",
    "revoke",
}
# Keywords that OpenAPI 3.2 brought; 3.1 knows none of them.
LATER = {
    *("itemSchema", "itemEncoding", "prefixEncoding", "additionalOperations", "$self", "dataValue", "serializedValue"),
    *("defaultMapping", "nodeType", "querystring", "deviceAuthorization", "mediaTypes"),
}
TOP = {"openapi", "info", "jsonSchemaDialect", "servers", "paths", "webhooks", "components", "security", "tags"}
LOCATIONS = {"query", "header", "path", "cookie"}
TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}


def nodes(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a document, naming each place by its JSON Pointer."""
    yield at, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from nodes(inner, f"{at}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nodes(inner, f"{at}/{index}")


def resolved(reference: str) -> Any:
    value: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        value = value[part.replace("~1", "/").replace("~0", "~")]
    return value


def references() -> list[str]:
    return [node["$ref"] for _, node in nodes(DOCUMENT) if isinstance(node, dict) and isinstance(node.get("$ref"), str)]


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """List the bodies of an operation: (place, media type, schema)."""
    bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
    for place, body in bodies.items():
        for media, content in body.get("content", {}).items():
            yield place, media, content.get("schema")


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """List a schema and every schema in it, but not those it refers to."""
    if isinstance(schema, dict):
        yield schema
        for name in ("items", "additionalProperties", "not"):
            yield from parts(schema.get(name))
        for name in ("oneOf", "anyOf", "allOf", "prefixItems"):
            for inner in schema.get(name, []):
                yield from parts(inner)
        for inner in schema.get("properties", {}).values():
            yield from parts(inner)


def test_the_committed_document_is_the_one_of_the_code() -> None:
    written = json.dumps(DOCUMENT, indent=2, ensure_ascii=False) + "\n"
    assert COMMITTED.read_text(encoding="utf-8") == written, "write it anew with `make openapi`"


async def test_the_service_serves_the_document(client: httpx2.AsyncClient) -> None:
    response = await client.get("/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == DOCUMENT


def test_the_settings_of_a_process_are_no_part_of_the_document() -> None:
    other = Settings(host="0.0.0.0", port=1, max_body_bytes=2_048, database_url="postgresql://a:b@c/d")  # noqa: S104
    assert build_api(other).openapi() == DOCUMENT


def test_the_document_is_openapi_3_1() -> None:
    assert re.fullmatch(r"3\.1\.\d+", DOCUMENT["openapi"])
    assert DOCUMENT.keys() <= TOP
    assert DOCUMENT["info"].keys() >= {"title", "version"}
    assert all(path.startswith("/") for path in DOCUMENT["paths"])
    assert {method for item in DOCUMENT["paths"].values() for method in item} <= {*METHODS, "parameters", "summary"}
    assert set(DOCUMENT["components"]) <= {
        "schemas",
        "responses",
        "parameters",
        "examples",
        "headers",
        "securitySchemes",
    }
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in SCHEMAS)


def test_no_keyword_is_of_a_later_version_or_of_an_earlier_one() -> None:
    keywords = {
        name for at, node in nodes(DOCUMENT) if isinstance(node, dict) and "/example" not in at for name in node
    }
    assert keywords & LATER == set()
    assert "nullable" not in keywords
    assert all(tag.keys() <= {"name", "description", "externalDocs"} for tag in DOCUMENT["tags"])
    excluded = [node.get("exclusiveMaximum") for _, node in nodes(SCHEMAS) if isinstance(node, dict)]
    assert not any(bound is True for bound in excluded)


@EACH
def test_an_operation_has_a_name_a_tag_and_described_responses(name: str) -> None:
    operation = OPERATIONS[name]
    assert len(operation["tags"]) == 1
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    words = re.fullmatch(r"([a-z]+)([A-Z][a-z]+)+", operation["operationId"])
    assert words
    assert words[1] in VERBS
    assert operation["description"]
    assert operation["responses"]
    for status, response in operation["responses"].items():
        assert re.fullmatch(r"[1-5]\d\d|default", status)
        assert response["description"]


def test_no_two_operations_share_a_name() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


@EACH
def test_the_parameters_of_a_path_are_those_of_its_operation(name: str) -> None:
    parameters = OPERATIONS[name].get("parameters", [])
    assert {one["in"] for one in parameters} <= LOCATIONS
    in_path = {one["name"] for one in parameters if one["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", name))
    assert all(one["required"] for one in parameters if one["in"] == "path")
    assert all("schema" in one for one in parameters)
    assert len({(one["in"], one["name"]) for one in parameters}) == len(parameters)


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    for reference in references():
        assert reference.startswith("#/components/")
        assert resolved(reference)
    used = {reference.rpartition("/")[2] for reference in references()}
    mapped = [node.get("mapping", {}) for _, node in nodes(DOCUMENT) if isinstance(node, dict)]
    for mapping in mapped:
        for reference in mapping.values():
            assert resolved(reference)
    assert set(SCHEMAS) == used


def test_every_schema_is_of_a_known_type() -> None:
    for schema in (part for one in SCHEMAS.values() for part in parts(one)):
        assert {schema.get("type", "object")} <= TYPES
        assert not (schema.get("type") == "array" and "items" not in schema and "prefixItems" not in schema)
        assert set(schema.get("required", [])) <= set(schema.get("properties", {}))


@EACH
def test_every_body_is_a_schema_with_a_name(name: str) -> None:
    for place, media, schema in contents(OPERATIONS[name]):
        assert set(schema) == {"$ref"}, f"{place}, {media}"


def test_no_object_within_a_schema_is_without_a_name() -> None:
    inline = [
        name
        for name, schema in SCHEMAS.items()
        for part in parts(schema)
        if part is not schema and "properties" in part
    ]
    assert inline == []


def test_every_list_of_values_has_a_name() -> None:
    whole = {id(schema) for schema in SCHEMAS.values()}
    nameless = [
        at for at, node in nodes(DOCUMENT) if isinstance(node, dict) and "enum" in node and id(node) not in whole
    ]
    assert nameless == []


def test_requests_and_responses_are_schemas_of_their_own() -> None:
    assert [name for name in SCHEMAS if name.endswith(("-Input", "-Output"))] == []


def test_every_request_refuses_unknown_fields() -> None:
    def reached(schema: Any) -> Iterator[str]:
        for part in parts(schema):
            if "$ref" in part:
                name = part["$ref"].rpartition("/")[2]
                yield name
                yield from reached(SCHEMAS[name])

    bodies = [schema for one in OPERATIONS.values() for place, _, schema in contents(one) if place == "request"]
    names = {name for schema in bodies for name in reached(schema)}
    assert names >= {"WhenRequest", "HowManyRequest", "DeadlineRequest", "History", "Scope", "Calendar"}
    open_ones = [
        name
        for name in names
        if SCHEMAS[name].get("type") == "object" and SCHEMAS[name].get("additionalProperties", True)
    ]
    assert open_ones == []


def test_a_kind_that_tells_schemas_apart_is_required_and_has_no_default() -> None:
    """Generators leave out what has a default, and then nothing tells the schemas apart."""
    told_apart = {
        reference.rpartition("/")[2]
        for _, node in nodes(DOCUMENT)
        if isinstance(node, dict) and isinstance(node.get("discriminator"), dict)
        for reference in node["discriminator"]["mapping"].values()
    }
    assert len(told_apart) >= 8
    for name in told_apart:
        assert "kind" in SCHEMAS[name]["required"], name
        assert "default" not in SCHEMAS[name]["properties"]["kind"], name


@EACH
def test_the_problems_of_an_operation_are_declared(name: str) -> None:
    operation = OPERATIONS[name]
    if not name.split()[1].startswith("/v1/"):
        return
    told = {status: body["content"] for status, body in operation["responses"].items() if status >= "400"}
    assert told.keys() >= {"422", "431", "500", "503"}
    if "requestBody" in operation:
        assert told.keys() >= {"400", "413", "415"}
    if "_id}" in name:
        assert "404" in told
    for content in told.values():
        assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_nothing_is_said_of_hosts() -> None:
    assert all(server["url"].startswith("/") for server in DOCUMENT.get("servers", []))
    strings = [node for at, node in nodes(DOCUMENT) if isinstance(node, str) and "/examples/" not in at]
    assert [one for one in strings if "://" in one] == []


EXAMPLES = {
    f"{name}: {title}": (name, example["value"])
    for name, operation in OPERATIONS.items()
    for content in operation.get("requestBody", {}).get("content", {}).values()
    for title, example in content.get("examples", {}).items()
}


FORECASTS = {title: example for title, (name, example) in EXAMPLES.items() if name == "POST /v1/forecasts"}
KEYS = [title for title in EXAMPLES if "/v1/api-keys" in title]


def test_each_kind_has_an_example() -> None:
    assert {example["kind"] for example in FORECASTS.values()} == set(get_args(KindName))


@pytest.mark.parametrize("title", FORECASTS)
async def test_an_example_is_answered(client: httpx2.AsyncClient, title: str) -> None:
    response = await client.post("/v1/forecasts", json=FORECASTS[title])
    assert response.status_code in {201, 202}, (
        response.text
    )  # a busy machine leaves one that takes too long to a worker
    done = await until(client, response.headers["Location"], "succeeded")
    assert done.json()["result"]["kind"] == FORECASTS[title]["kind"]


@pytest.mark.parametrize("title", KEYS)
async def test_an_example_of_a_key_is_answered(client: httpx2.AsyncClient, database_url: str, title: str) -> None:
    name, example = EXAMPLES[title]
    method, path = name.split()
    async with keyring(database_url) as keys:
        made = await a_key(keys)
    path = path.replace("{key_id}", str(made.record.id))
    response = await client.request(method, path, json=example, headers=bearing(made.text))
    assert response.status_code in {200, 201}, response.text
    assert response.json()["key"].startswith("ff_live_")


@EACH
def test_an_operation_says_which_scope_it_needs_or_that_it_is_for_everyone(name: str) -> None:
    security = OPERATIONS[name]["security"]
    if not name.split()[1].startswith("/v1/"):
        assert security == []
        return
    ((scopes,),) = [list(one.values()) for one in security]
    assert set(scopes) <= set(get_args(Scope))
    assert len(scopes) == 1
    assert {"401", "403"} <= OPERATIONS[name]["responses"].keys()


def test_the_way_to_send_a_key_is_described() -> None:
    used = {scheme for one in OPERATIONS.values() for alternative in one["security"] for scheme in alternative}
    assert used == DOCUMENT["components"]["securitySchemes"].keys()
    assert all(one["type"] == "http" for one in DOCUMENT["components"]["securitySchemes"].values())
