"""How an input says what happened: mParticle's batches and requests, or Segment's calls."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from processor.commands.generate.people import (
    ANONYMOUS,
    STAMP,
    Chance,
    Device,
    Types,
    uuid,
)
from processor.commands.generate.visits import Happening
from processor.identity.types import DEVICE_INFO_KEYS, batch_spelling
from processor.rules import InputRules, Role

Said = tuple[Role, dict[str, Any]]
Event = dict[str, Any]

_DEVICE_KEYS: Final = {canonical: key for key, canonical in DEVICE_INFO_KEYS.items()}
_NOT_IN_REQUESTS: Final = frozenset({"microsoft_advertising_id", "microsoft_publisher_id"})
_REQUEST_OF: Final = {
    "opens": "identify",
    "logs_in": "login",
    "signs_up": "login",
    "logs_out": "logout",
}
_NAMES: Final = {
    "logs_in": "Logged in",
    "signs_up": "Signed up",
    "logs_out": "Logged out",
    "fed": "Record changed",
}


class Voice:
    """An input as what speaks through it: says each happening in the input's form."""

    def __init__(self, rules: InputRules, *, has_requests: bool, chance: Chance) -> None:
        self.rules = rules
        self.types = Types.of(rules.workspace)
        self._has_requests = has_requests
        self._chance = chance
        self._asked = 0

    def says(self, one: Happening, time_ms: int, form: str) -> Iterator[Said]:
        """Yield the records that tell of *one*; none where they would name nobody."""
        ids = self._ids(one)
        if not ids:
            return
        if form == "segment":
            if one.deed not in ("moves", "claims"):
                yield "batches", self._call(one, ids, time_ms)
            return
        asks = list(self._requests(one, ids, time_ms)) if self._has_requests else []
        is_last = one.deed == "logs_out"
        if not is_last:
            yield from asks
        if one.deed not in ("moves", "claims"):
            yield "batches", self._batch(one, ids, time_ms)
        if is_last:
            yield from asks

    def _ids(self, one: Happening) -> dict[str, str]:
        ids = {} if one.person is None else one.person.ids(self.types)
        return ids if one.device is None else {**ids, **one.device.ids}

    # ---- mParticle --------------------------------------------------------------------------

    def _batch(self, one: Happening, ids: Mapping[str, str], time_ms: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "environment": "production",
            "source_request_id": uuid(self._chance),
        }
        if self.rules.workspace.policy.traits.is_literal:
            body["user_identities"] = dict(ids)
        else:
            body.update(_placed(ids, one.device))
        if attributes := _attributes(one):
            body["user_attributes"] = attributes
        body["events"] = [] if self.rules.source == "csv" else [_event(one, time_ms)]
        return body

    def _requests(self, one: Happening, ids: Mapping[str, str], time_ms: int) -> Iterator[Said]:
        """Yield the request that an app makes; what names MPIDs, once it was told them."""
        device = one.device
        assert device is not None
        body: dict[str, Any] = {
            "request_id": f"{device.number}-{self._asked}",
            "environment": "production",
            "request_timestamp_ms": time_ms,
        }
        self._asked += 1
        if (action := _REQUEST_OF.get(one.deed)) is not None:
            known = device.ids if action == "logout" else ids
            asked = {t: v for t, v in known.items() if t not in _NOT_IN_REQUESTS}
            if asked:
                previous = {} if device.mpid is None else {"previous_mpid": device.mpid}
                request = {"request_type": self._action(action), "known_identities": asked}
                yield "requests", {**request, **previous, **body}
        elif device.mpid is not None and one.deed == "moves" and "email" in ids:
            change = {"old_value": one.told["before"], "new_value": ids["email"]}
            changes = [{"identity_type": "email", **change}]
            request = {"request_type": "modify", "mpid": device.mpid}
            yield "requests", {**request, "identity_changes": changes, **body}
        elif one.deed == "claims" and device.mpid not in (None, one.told["source"]):
            data = {"source_mpid": one.told["source"], "destination_mpid": device.mpid}
            if self.rules.workspace.policy.traits.can_alias:
                yield "requests", {"request_type": "alias", "data": data, **body}

    def _action(self, action: str) -> str:
        """Return *action*, or identify where the strategy knows no logins."""
        policy = self.rules.workspace.policy
        is_known = policy.traits.has_logins or policy.best_match_login == "as_identify"
        return action if is_known else "identify"

    # ---- Segment ----------------------------------------------------------------------------

    def _call(self, one: Happening, ids: Mapping[str, str], time_ms: int) -> dict[str, Any]:
        traits = {k: v for k, v in ids.items() if k not in ("user_id", ANONYMOUS)}
        attributes = _attributes(one)
        call: dict[str, Any] = {"messageId": uuid(self._chance), "timestamp": time_ms}
        if "user_id" in ids:
            call["userId"] = ids["user_id"]
        if ANONYMOUS in ids:
            call["anonymousId"] = ids[ANONYMOUS]
        if attributes:
            return {"type": "identify", "traits": {**attributes, **traits}, **call}
        call["context"] = {"traits": traits}
        if one.deed == "views":
            return {"type": "page", "name": one.told["screen"], "properties": {}, **call}
        event = _event(one, time_ms)
        name = event["data"].get("event_name", event["event_type"])
        return {"type": "track", "event": name, "properties": {}, **call}


def _placed(ids: Mapping[str, str], device: Device | None) -> dict[str, Any]:
    """Return *ids* where a batch has them: users' by name, devices' in ``device_info``."""
    placed: dict[str, Any] = {}
    for identity_type, value in ids.items():
        if identity_type == STAMP:
            placed["mp_deviceid"] = value
        elif (key := _DEVICE_KEYS.get(identity_type)) is not None:
            placed.setdefault("device_info", {})[key] = value
        else:
            placed.setdefault("user_identities", {})[batch_spelling(identity_type)] = value
    if device is not None:
        placed.setdefault("device_info", {})["platform"] = device.platform
    return placed


def _attributes(one: Happening) -> dict[str, Any]:
    return one.told if one.deed in ("logs_in", "signs_up", "fed") else {}


def _event(one: Happening, time_ms: int) -> Event:
    """Return the event that tells of *one*, with what its type requires."""
    data: dict[str, Any] = {"timestamp_unixtime_ms": time_ms}
    if one.deed == "opens":
        return {"event_type": "session_start", "data": data}
    if one.deed == "closes":
        data["session_duration_ms"] = 1000 * one.told["seconds"]
        return {"event_type": "session_end", "data": data}
    if one.deed == "views":
        return {"event_type": "screen_view", "data": {**data, "screen_name": one.told["screen"]}}
    if one.deed == "buys":
        sku, name, price = one.told["product"]
        products = [{"id": sku, "name": name, "price": price, "quantity": 1}]
        action = {"action": "purchase", "total_amount": price, "products": products}
        return {"event_type": "commerce_event", "data": {**data, "product_action": action}}
    named = {"event_name": _NAMES[one.deed], "custom_event_type": "other"}
    return {"event_type": "custom_event", "data": {**data, **named}}
