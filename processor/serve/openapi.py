"""The OpenAPI document of the profile API, made of the types that are read and written."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request
from starlette.responses import Response

from processor import __version__
from processor.serve.door import Answer, Way
from processor.serve.gate import Gate, parameters
from processor.serve.lately import MOST_CHANGES, ChangesAnswer
from processor.serve.native import PARTS, ProfileView
from processor.serve.published import FIELDS, PublishedProfile
from processor.serve.questions import (
    MOST_ASKED,
    MPID_PATTERN,
    BatchQuestion,
    LookupQuestion,
    ResolveQuestion,
)
from processor.serve.refusal import ErrorBody
from processor.serve.routes import BatchAnswer, LookupAnswer
from processor.serve.subjects import Discovery, StatusView, SubjectQuestion, Taken

Document = dict[str, Any]
_TYPES: Final = (
    ProfileView,
    PublishedProfile,
    LookupQuestion,
    LookupAnswer,
    BatchQuestion,
    BatchAnswer,
    ResolveQuestion,
    ChangesAnswer,
    SubjectQuestion,
    Taken,
    StatusView,
    list[StatusView],
    Discovery,
    ErrorBody,
)
_JSON: Final = "application/json"
_ZIP: Final = "application/zip"


class _Operation(Struct, frozen=True):
    """One method of one path."""

    path: str
    method: str
    name: str
    summary: str
    answer: Any
    """A type, or None: a zip file."""
    errors: tuple[int, ...]
    query: Mapping[str, Document] = {}
    body: type[Struct] | None = None
    required: tuple[str, ...] = ()
    status: int = 200


_ENVIRONMENT: Final = {"enum": ["production", "development"], "default": "production"}
_PART: Final = "|".join((*PARTS, r"attributes\.[^,]+"))
_NATIVE: Final = {
    "type": "string",
    "pattern": f"^({_PART})(,({_PART}))*$",
    "description": f"A comma list of {', '.join(PARTS)} and attributes.NAME; without it all.",
}
_FIELD: Final = "|".join(FIELDS)
_PUBLISHED: Final = {"type": "string", "pattern": f"^({_FIELD})(,({_FIELD}))*$"}
_AS_TEXT: Final = {"enum": ["text"], "description": "The MPID in the answer as text."}
_VERSION: Final = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": MOST_CHANGES, "default": MOST_CHANGES}
_COMMON: Final = (400, 401, 403, 429, 503)
_IN_PATH: Final[Mapping[str, Document]] = {
    "workspace": {"type": "string", "minLength": 1},
    "org": {"type": "string", "minLength": 1},
    "account": {"type": "string", "minLength": 1},
    "mpid": {"type": "string", "pattern": MPID_PATTERN},
    "id": {"type": "string", "minLength": 1},
}
_WORKSPACE: Final = {
    "type": "string",
    "description": "Is needed where the token has several workspaces.",
}
_WHOSE: Final = {"workspace": _WORKSPACE}
_GROUP: Final = {"type": "string", "minLength": 1}
_REQUESTS: Final = "/dsr/v3/requests"
_OPERATIONS: Final = (
    _Operation(
        "/v1/{workspace}/profiles/{mpid}",
        "get",
        "profile",
        "A profile by its MPID",
        ProfileView,
        (*_COMMON, 404, 409, 410),
        {"environment": _ENVIRONMENT, "fields": _NATIVE, "min_version": _VERSION},
    ),
    _Operation(
        "/v1/{workspace}/profiles/{mpid}/changes",
        "get",
        "changes",
        "What changed of a profile lately, read from Kafka",
        ChangesAnswer,
        (*_COMMON, 404, 501),
        {"environment": _ENVIRONMENT, "limit": _LIMIT, "before": _VERSION},
    ),
    _Operation(
        "/v1/{workspace}/profiles/lookup",
        "post",
        "lookup",
        "Who holds an identity, or whom a search would find",
        LookupAnswer,
        (*_COMMON, 408, 413),
        {"fields": _NATIVE},
        LookupQuestion,
    ),
    _Operation(
        "/v1/{workspace}/profiles/batch",
        "post",
        "batch",
        f"Up to {MOST_ASKED} people in one instant",
        BatchAnswer,
        (*_COMMON, 408, 413),
        {"fields": _NATIVE},
        BatchQuestion,
    ),
    *(
        _Operation(
            "/userprofile/v1/{org}/{account}/{workspace}/{mpid}",
            method,
            f"published_{method}",
            "A profile by its MPID, as the Profile API has it",
            PublishedProfile,
            _COMMON if method == "post" else (*_COMMON, 405),
            {"environment": _ENVIRONMENT, "fields": _PUBLISHED, "mpid": _AS_TEXT},
            required=("fields",),
        )
        for method in ("get", "post")
    ),
    _Operation(
        "/userprofile/v1/resolve/{org}/{account}/{workspace}",
        "post",
        "resolve",
        "A profile by an immutable identity, as the Profile API has it",
        PublishedProfile,
        (*_COMMON, 408, 413),
        {"fields": _PUBLISHED, "mpid": _AS_TEXT},
        ResolveQuestion,
        required=("fields",),
    ),
    _Operation(
        _REQUESTS,
        "post",
        "dsr",
        "Send a request under privacy law",
        Taken,
        (*_COMMON, 408, 409, 413, 501),
        _WHOSE,
        SubjectQuestion,
        status=201,
    ),
    _Operation(
        _REQUESTS,
        "get",
        "dsr_group",
        "How the requests of a group stand",
        list[StatusView],
        _COMMON,
        {"group_id": _GROUP, **_WHOSE},
        required=("group_id",),
    ),
    _Operation(
        f"{_REQUESTS}/{{id}}",
        "get",
        "dsr_status",
        "How a request stands",
        StatusView,
        (*_COMMON, 404),
        _WHOSE,
    ),
    _Operation(
        f"{_REQUESTS}/{{id}}",
        "delete",
        "dsr_cancel",
        "Cancel a request that waits",
        StatusView,
        (*_COMMON, 404, 409, 501),
        _WHOSE,
        status=202,
    ),
    _Operation(
        f"{_REQUESTS}/{{id}}/results",
        "get",
        "dsr_results",
        "What is known of who asked, as a zip file",
        None,
        (*_COMMON, 404, 410),
        _WHOSE,
    ),
    _Operation(
        "/dsr/v3/discovery",
        "get",
        "dsr_discovery",
        "Which requests may be sent, about which identities",
        Discovery,
        _COMMON,
        _WHOSE,
    ),
)
_DONE: Final = {200: "Found", 201: "It is on the topic", 202: "The cancel is on the topic"}
_MEANINGS: Final = {
    400: "The request is not as it should be; of the published routes also: there is nobody",
    401: "No valid token",
    403: "The token may not do that, or there is no such workspace",
    404: "There is nobody, no such request, or nothing to fetch",
    405: "The route takes another method",
    408: "The body did not come in time",
    409: "The profile has not that version yet; the request does not wait",
    410: "The profile has ended, which only who has the scope privacy:read is told; too late",
    413: "The body is too large",
    429: "Beyond the rate of the token",
    501: "The topic of changes is not written in JSON; no input may send such requests",
    503: "The index or Kafka cannot be asked, or too many requests at a time",
}


def openapi() -> Document:
    """Return the document; of routes too that a configuration may leave out."""
    found, components = msgspec.json.schema_components(
        _TYPES, schema_hook=_any_json, ref_template="#/components/schemas/{name}"
    )
    refs = dict(zip(_TYPES, found, strict=True))
    paths: dict[str, Document] = {}
    for one in _OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = _operation(one, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "idstream profile API",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: _Operation, refs: Mapping[Any, Document]) -> Document:
    in_path = [name for name in _IN_PATH if f"{{{name}}}" in one.path]
    made: Document = {
        "operationId": one.name,
        "summary": one.summary,
        "parameters": [
            *(_parameter(name, "path", _IN_PATH[name], is_required=True) for name in in_path),
            *(
                _parameter(name, "query", schema, is_required=name in one.required)
                for name, schema in one.query.items()
            ),
        ],
        "responses": {
            str(one.status): {"description": _DONE[one.status], "content": _content(one, refs)},
            **{
                str(status): {
                    "description": _MEANINGS[status],
                    "content": {_JSON: {"schema": refs[ErrorBody]}},
                }
                for status in sorted(one.errors)
            },
        },
    }
    if one.name == "profile":
        made["responses"]["304"] = {"description": "As If-None-Match has it"}
    if one.body is not None:
        made["requestBody"] = {"required": True, "content": {_JSON: {"schema": refs[one.body]}}}
    return made


def _content(one: _Operation, refs: Mapping[Any, Document]) -> Document:
    return {_ZIP: {}} if one.answer is None else {_JSON: {"schema": refs[one.answer]}}


def _parameter(name: str, where: str, schema: Document, *, is_required: bool) -> Document:
    return {"name": name, "in": where, "required": is_required, "schema": schema}


def _any_json(kind: type) -> Document:
    """Return the schema of a value of an identity, which is decoded like that of a record."""
    if kind is Raw:
        return {"type": ["string", "number", "boolean", "null"]}
    raise NotImplementedError


def openapi_route(gate: Gate) -> Way:
    """Return the route of the document, which needs no token: it says what is public."""
    body = msgspec.json.encode(openapi())

    async def show(request: Request) -> Answer:
        parameters(request)
        return Response(body, media_type=_JSON)

    return Way("/openapi.json", gate.watched("openapi", show))
