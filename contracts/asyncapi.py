"""The AsyncAPI document of the topics: their names from the settings, the rest from schemas."""

from typing import Any

from msgspec.structs import replace

from contracts.jsonschemas import json_schema
from processor.codecs.avro.schemas import MESSAGES, OwnSchema, latest
from processor.codecs.formats import CONTENT_TYPES
from processor.rules import INPUT_ROLES
from processor.settings import Settings
from processor.settings.sections import CLOCK_TOPIC, TopicSettings

Document = dict[str, Any]

TEXT = {"type": "string"}
DECIMAL = {"type": "string", "pattern": "^-?[0-9]+$"}
SOURCE = {f"source-{part}": DECIMAL for part in ("partition", "offset")} | {"source-topic": TEXT}
REPLAYED: Document = {"replay-of": TEXT, "attempts": DECIMAL, "replay-time": DECIMAL}
"""Of records that ``idstream replay`` put back."""
HEADERS: dict[str, Document] = {
    "batches": {"input": TEXT, "content-type": TEXT, **REPLAYED},
    "requests": {"input": TEXT, "content-type": TEXT, **REPLAYED},
    "enriched": {**SOURCE, "mpid": DECIMAL, "resolution": TEXT, "content-type": TEXT},
    "responses": {**SOURCE, "mpid": DECIMAL, "content-type": TEXT},
    "changes": {**SOURCE, "mpid": DECIMAL, "content-type": TEXT},
    "profiles": {**SOURCE, "mpid": DECIMAL, "version": DECIMAL, "content-type": TEXT},
    "outcomes": {**SOURCE, "content-type": TEXT},
    "audience_changes": {
        **SOURCE,
        "mpid": DECIMAL,
        "workspace": TEXT,
        "audience": TEXT,
        "change": TEXT,
        "content-type": TEXT,
    },
    "clock": {},
    "privacy": {"input": TEXT, "content-type": TEXT, **REPLAYED},
    "receipts": {**SOURCE, "content-type": TEXT},
    "cases": {**SOURCE, "version": DECIMAL, "content-type": TEXT},
}
KEYS = {
    "batches": "any stable user or device key",
    "requests": "any stable user or device key",
    "enriched": "profile key <scope>/<environment>/<mpid>; the input's where no profile is meant",
    "responses": "the request's key",
    "changes": "profile key; the input's where a violation concerns no profile",
    "profiles": "profile key",
    "dead_letters": "the input's key",
    "outcomes": "the input's key",
    "audience_changes": "profile key",
    "clock": "none; the partition is the shard's",
    "privacy": "any",
    "receipts": "the request's id",
    "cases": "<scope>/<environment>/<token of the id>",
}
PRIVACY_TOPIC = "privacy-requests"
ACTIONS = {"take": "receive", "write": "send"}
SEGMENT: Document = {
    "summary": "One of Segment's calls.",
    "payload": {"description": "See docs/messages.md, Segment's messages."},
}


def asyncapi(settings: Settings) -> Document:
    """Return the document of the topics that *settings* names."""
    topics = _topics(settings)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "idstream",
            "version": "1",
            "description": "Identity resolution and enrichment of event batches on Kafka.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": settings.kafka.bootstrap_servers.partition(",")[0],
                "protocol": "kafka",
            }
        },
        "channels": {
            name: _channel(name, role, _format(settings, name, role))
            for name, role in topics.items()
        },
        "operations": {
            f"{verb}-{name}": {
                "action": ACTIONS[verb],
                "channel": {"$ref": f"#/channels/{name}"},
                "bindings": {"kafka": _group(settings, verb)},
            }
            for name, role in topics.items()
            for verb in _verbs(role)
        },
        "components": {
            "messages": {
                _name(role, form): _message(role, form)
                for role, form in (
                    (role, _format(settings, name, role)) for name, role in topics.items()
                )
            },
        },
    }


def _topics(settings: Settings) -> dict[str, str]:
    # Every topic that there can be, also those that only definitions or requests need.
    every, own = TopicSettings(), settings.kafka.topics
    topics = replace(
        own,
        audience_changes=every.audience_changes,
        clock=own.clock or CLOCK_TOPIC,
        privacy=own.privacy or (PRIVACY_TOPIC,),
        receipts=own.receipts or every.receipts,
        cases=own.cases or every.cases,
    )
    return {**topics.roles, **{name: role for role, name in topics.outputs.items()}}


def _format(settings: Settings, name: str, role: str) -> str:
    return settings.kafka.formats.get(name, settings.kafka.formats.get(role, "json"))


def _name(role: str, form: str) -> str:
    return role if form == "json" else f"{role}-{form}"


def _channel(name: str, role: str, form: str) -> Document:
    kafka: Document = {"topic": name}
    if role in ("profiles", "cases"):
        kafka["topicConfiguration"] = {"cleanup.policy": ["compact"]}
    if role == "clock":
        kafka["topicConfiguration"] = {"message.timestamp.type": "LogAppendTime"}
    return {
        "address": name,
        "messages": {role: {"$ref": f"#/components/messages/{_name(role, form)}"}},
        "bindings": {"kafka": kafka},
    }


def _verbs(role: str) -> tuple[str, ...]:
    if role == "clock":
        return ("take", "write")  # processors write to themselves
    return ("take",) if role in INPUT_ROLES else ("write",)


def _group(settings: Settings, verb: str) -> Document:
    if verb != "take":
        return {}
    return {"groupId": {"type": "string", "enum": [settings.kafka.group_id]}}


def _message(role: str, form: str) -> Document:
    if role == "dead_letters":
        own = latest("dead-letter")
        headers = json_schema(own)
        return {
            **_said(role, own),
            "contentType": "application/octet-stream",
            "headers": {k: v for k, v in headers.items() if k not in ("$schema", "$id")},
            "payload": {"description": "The input's value, byte for byte."},
        }
    own = latest(MESSAGES[role])
    if form == "segment":
        return {**_message(role, "json"), "name": "SegmentCall", **SEGMENT}
    return {
        **_said(role, own),
        "contentType": CONTENT_TYPES["avro" if form == "avro" else "json"].decode(),
        "headers": {
            "type": "object",
            "properties": HEADERS[role],
            "required": [name for name in HEADERS[role] if name in SOURCE],
        },
        "payload": _payload(own, form),
    }


def _said(role: str, own: OwnSchema) -> Document:
    return {
        "name": own.schema["name"],
        "summary": own.schema["doc"],
        "bindings": {"kafka": {"key": {"type": "string", "description": KEYS[role]}}},
    }


def _payload(own: OwnSchema, form: str) -> Document:
    if form == "avro":
        return {
            "schemaFormat": "application/vnd.apache.avro+json;version=1.9.0",
            "schema": own.schema,
        }
    found = json_schema(own)
    return {k: v for k, v in found.items() if k not in ("$schema", "$id")}
