"""What a public case expects, held against what came out of it.

Everything in ``expect`` is optional: ``lines`` (an outcome, or outcomes that will do, or null for
any, by line), ``reasons`` (by line), ``same`` and ``different`` (lines of one profile, and pairs of
lines of two, merges followed), ``profiles`` (how many are left), ``final`` (a profile, found by
``has``), ``values`` and ``contains`` (line, path, value or a part of it).
"""

from typing import Any

ABSENT = {"absent": True}


class Result:
    """The lines that came out, and the profiles at the end."""

    def __init__(self, lines: list[dict[str, Any]], profiles: list[dict[str, Any]]) -> None:
        self.lines = lines
        self._into = {p["mpid"]: p["merged_into"] for p in profiles}
        self.alive = [p for p in profiles if not p["merged_into"]]

    def mpid(self, line: int) -> str:
        mpid = self.lines[line]["mpid"]
        assert mpid, self.lines[line]
        while self._into.get(mpid):
            mpid = self._into[mpid]
        return mpid

    def at(self, line: int, path: str) -> Any:
        value: Any = self.lines[line]
        for part in path.split("."):
            if isinstance(value, list):
                value = value[int(part)]
            elif isinstance(value, dict) and part in value:
                value = value[part]
            else:
                return ABSENT
        return value

    def owner(self, identity: str) -> dict[str, Any]:
        kind, _, value = identity.partition("=")
        (owner,) = (
            profile
            for profile in self.alive
            if any((i["identity_type"], i["value"]) == (kind, value) for i in profile["identities"])
        )
        return owner


def check(expect: dict[str, Any], result: Result) -> None:
    for number, wanted in enumerate(expect.pop("lines", [])):
        line = result.lines[number]
        assert wanted is None or line["outcome"] in wanted, line
    for number, reason in expect.pop("reasons", {}).items():
        assert result.lines[int(number)]["reason"] == reason
    for group in expect.pop("same", []):
        assert len({result.mpid(line) for line in group}) == 1, group
    for one, other in expect.pop("different", []):
        assert result.mpid(one) != result.mpid(other), (one, other)
    assert len(result.alive) == expect.pop("profiles", len(result.alive))
    for wanted in expect.pop("final", []):
        check_profile(wanted, result.owner(wanted["has"]))
    for line, path, value in expect.pop("values", []):
        found = result.at(line, path)
        assert (type(found), found) == (type(value), value), (line, path)
    for line, path, part in expect.pop("contains", []):
        assert part in result.at(line, path)
    assert not expect


def check_profile(wanted: dict[str, Any], profile: dict[str, Any]) -> None:
    (data,) = profile["workspaces"].values() or [{"attributes": {}, "consent_state": {}}]
    held = {name: one["value"] for name, one in data["attributes"].items()}
    for name, value in wanted.get("attributes", {}).items():
        assert (type(held[name]), held[name]) == (type(value), value)
    assert not held.keys() & set(wanted.get("absent", []))
    assert data["consent_state"] == wanted.get("consent", data["consent_state"])
    assert profile["created_ms"] == wanted.get("created_ms", profile["created_ms"])
    identities = sorted(f"{i['identity_type']}={i['value']}" for i in profile["identities"])
    assert identities == sorted(wanted.get("identities", identities))
