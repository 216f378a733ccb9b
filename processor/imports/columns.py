"""Columns: from the names in dot notation to the places in a batch that they are for."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import fields as fields_of

from processor.codecs.fields import MAX_NAME
from processor.codecs.nearness import likely_meant
from processor.codecs.strict.published import Device
from processor.codecs.strict.published_events import Flag, Number, Whole
from processor.identity.types import DEVICE_INFO_KEYS, MP_DEVICEID_TYPE, batch_spelling
from processor.imports.cells import TYPES, Kind
from processor.imports.verdict import FileRefused
from processor.rules import InputRules

Path = tuple[str, ...]

_ONES: Final[dict[str, Kind]] = {
    "environment": "environment",
    "mpid": "mpid",
    "mp_deviceid": "text",
    "deleted_user_attributes": "names",
}
"""Columns that are fields of a batch by themselves."""
_CONSENT: Final[dict[str, Kind]] = {
    "consented": "boolean",
    "timestamp_unixtime_ms": "time",
    "document": "text",
    "location": "text",
    "hardware_id": "text",
}
_OPT_OUT: Final = "data_sale_opt_out"
_DEVICE: Final[dict[str, Kind]] = {
    field.name: "boolean"
    if field.type == Flag
    else "number"
    if field.type in (Whole, Number)
    else "text"
    for field in fields_of(Device)
}
_ADVICE: Final = {
    "partner_identities.": "the workspace registers no such partner identity for this input",
    "consent_state.": "write consent_state.gdpr.PURPOSE.consented",
}
_NO_EVENTS: Final = "events are not imported; this file is about people"


class Column(Struct, frozen=True):
    """A column that is read: what its cells are, and where they go."""

    name: str
    """Without its type; what a rejected row is told by."""
    path: Path
    """The keys in the batch, from the outermost in."""
    kind: Kind = "text"
    identity_type: str | None = None
    """Canonical; None where the column identifies nobody."""


class Vocabulary:
    """The names that columns for an input may have."""

    def __init__(self, rules: InputRules) -> None:
        workspace = rules.workspace
        self._keys = workspace.keys
        self._partner = rules.partner if rules.source == "partner_feed" else None
        self._partners = workspace.partner_identities
        self._names = (
            *(f"user_identities.{name}" for name in workspace.keys.batch),
            *(f"device_info.{name}" for name in _DEVICE),
            *(f"partner_identities.{name}" for name in workspace.partner_identities),
            *_ONES,
        )

    def column(self, name: str) -> Column:
        """Return the column *name*; FileRefused, with the nearest name, where there is none."""
        head, _, rest = name.partition(".")
        if head == "events":
            raise FileRefused(f"column {name}: {_NO_EVENTS}")
        read = {
            "user_identities": self._user_identity,
            "device_info": self._device,
            "user_attributes": _attribute,
            "consent_state": _consent,
            "partner_identities": self._partner_identity,
        }.get(head)
        found = read(rest) if read is not None and rest else self._one(name)
        if found is None:
            raise FileRefused(f"column {name}: {self._advice(name)}")
        return found

    def _one(self, name: str) -> Column | None:
        """Return the column that is a field by itself."""
        if name not in _ONES:
            return None
        stamp = self._type(MP_DEVICEID_TYPE) if name == "mp_deviceid" else None
        return Column(name, (name,), _ONES[name], stamp)

    def _partner_identity(self, rest: str) -> Column | None:
        is_other = self._partner is not None and rest.partition("_")[0] != self._partner
        if rest not in self._partners or is_other:
            return None
        return Column(f"partner_identities.{rest}", ("partner_identities", rest))

    def _user_identity(self, rest: str) -> Column | None:
        canonical = self._keys.batch.get(rest)
        if canonical is None:
            return None
        spelled = rest if self._keys.is_literal else batch_spelling(canonical)
        return Column(f"user_identities.{rest}", ("user_identities", spelled), "text", canonical)

    def _device(self, rest: str) -> Column | None:
        if rest not in _DEVICE:
            return None
        canonical = DEVICE_INFO_KEYS.get(rest)
        identity_type = None if canonical is None else self._type(canonical)
        path = ("device_info", rest)
        return Column(f"device_info.{rest}", path, _DEVICE[rest], identity_type)

    def _type(self, canonical: str) -> str | None:
        """Return a device's identity type where the workspace looks at it."""
        is_read = not self._keys.is_literal or canonical in self._keys.batch
        return canonical if is_read else None

    def _advice(self, name: str) -> str:
        """Return what is wrong with *name*, and what may be meant."""
        head, _, bare = name.rpartition(".")
        for prefix, advice in _ADVICE.items():
            if name.startswith(prefix):
                return advice
        meant = ""
        for prefix, known in (("user_identities", self._keys.batch), ("device_info", _DEVICE)):
            near = bare if bare in known else likely_meant(bare, known)
            if near and not meant and (not head or likely_meant(head, (prefix,))):
                meant = f"{prefix}.{near}"
        meant = meant or likely_meant(name, self._names)
        if not meant and "." not in name:
            return f"is no name of a column (an attribute of the user is user_attributes.{name})"
        return "is no name of a column" + (f" (did you mean {meant}?)" if meant else "")


def columns_of(names: Sequence[str], vocabulary: Vocabulary) -> tuple[Column | None, ...]:
    """Return the columns that *names* are, None for '', an ignored one; or FileRefused."""
    found: list[Column | None] = []
    mistakes: list[str] = []
    for name in names:
        try:
            found.append(vocabulary.column(name) if name else None)
        except FileRefused as refusal:
            mistakes += refusal.mistakes
    mistakes += _twice([column for column in found if column is not None])
    if not mistakes and not any(c and (c.identity_type or c.path == ("mpid",)) for c in found):
        mistakes.append(
            "no column identifies anybody: there is none of user_identities, no device id and no"
            " mpid"
        )
    if mistakes:
        raise FileRefused(*mistakes)
    return tuple(found)


def _twice(columns: Iterable[Column]) -> list[str]:
    """Return a mistake for each column whose place in a batch an earlier one is for."""
    seen: dict[Path, str] = {}
    mistakes = []
    for column in columns:
        before = seen.get(column.path)
        if before is None:
            seen[column.path] = column.name
        else:
            also = "" if before == column.name else f", also as {before}"
            mistakes.append(f"column {column.name}: is there twice{also}")
    return mistakes


def _attribute(rest: str) -> Column:
    """Return the column of a user attribute, whose name may have its type behind a colon."""
    name, colon, kind = rest.rpartition(":")
    if not colon:
        name = rest
    elif kind not in TYPES:
        raise FileRefused(
            f"column user_attributes.{rest}: there is no type {kind}; use {', '.join(TYPES)}"
            " (where the colon is part of the name, write :text behind it)"
        )
    if not name or len(name) > MAX_NAME:
        raise FileRefused(f"column user_attributes.{rest}: a name has 1 to {MAX_NAME} characters")
    known: dict[str, Kind] = {one: one for one in TYPES}
    return Column(f"user_attributes.{name}", ("user_attributes", name), known.get(kind, "text"))


def _consent(rest: str) -> Column | None:
    regulation, _, purpose = rest.partition(".")
    purpose, _, field = purpose.rpartition(".")
    if field not in _CONSENT or not purpose:
        return None
    if regulation != "gdpr" and (regulation, purpose) != ("ccpa", _OPT_OUT):
        return None
    path = ("consent_state", regulation, purpose, field)
    return Column(f"consent_state.{rest}", path, _CONSENT[field])
