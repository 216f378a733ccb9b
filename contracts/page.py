"""The AsyncAPI document as a page."""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]


def page(document: Document) -> str:
    """Return *document* in Markdown."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield "# Topics"
    yield ""
    yield "Written by `./dev contracts` from the schemas and `deploy/idstream.toml`; the same as an"
    yield "AsyncAPI 3 document is in [asyncapi.json](asyncapi.json). What the messages mean is in"
    yield "[messages.md](messages.md)."
    messages = document["components"]["messages"]
    ways = _ways(document)
    for name, channel in document["channels"].items():
        ((_, reference),) = channel["messages"].items()
        message = messages[reference["$ref"].rpartition("/")[2]]
        yield from ("", f"## {name}", "", message["summary"], "")
        yield from ("| | |", "|---|---|")
        yield f"| direction | {' and '.join(ways[f'#/channels/{name}'])} |"
        yield f"| key | {message['bindings']['kafka']['key']['description']} |"
        yield f"| content type | `{message['contentType']}` |"
        headers = ", ".join(f"`{h}`" for h in message["headers"]["properties"])
        yield f"| headers | {headers or 'none'} |"
        yield from _fields(message)


def _ways(document: Document) -> dict[str, list[str]]:
    """Return which ways records go through each channel, by its reference."""
    found: dict[str, list[str]] = {}
    for operation in document["operations"].values():
        way = "in" if operation["action"] == "receive" else "out"
        found.setdefault(operation["channel"]["$ref"], []).append(way)
    return found


def _fields(message: Document) -> Iterator[str]:
    schema = message["payload"].get("schema", message["payload"])
    described = schema if "properties" in schema else message["headers"]
    if described is message["headers"]:
        yield from ("", message["payload"]["description"])
    rows = list(_rows(described, ""))
    yield from ("", "| field | type | there | meaning |", "|---|---|---|---|")
    yield from rows


def _rows(schema: Document, prefix: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        there = "always" if name in schema.get("required", ()) else ""
        yield f"| `{path}` | {_type(field)} | {there} | {field.get('description', '')} |"
        yield from _inner(field, path)


def _inner(field: Document, path: str) -> Iterator[str]:
    for branch in field.get("anyOf", [field]):
        if "properties" in branch:
            yield from _rows(branch, f"{path}.")
        for key, mark in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(branch.get(key), dict):
                yield from _inner(branch[key], f"{path}{mark}")


def _type(field: Document) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"] if value is not None)
    if "anyOf" in field:
        kinds = [_type(branch) for branch in field["anyOf"]]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    kind = field.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(one for one in kind if one != "null")
    if kind == "array":
        return f"array of {_type(field.get('items', {}))}"
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"map of {_type(field['additionalProperties'])}"
    return str(kind)
