"""``[workspaces.NAME.audiences]``: audiences, and what their messages carry."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from processor.computed.criterion import AudienceFits, Criterion, leaves
from processor.computed.definition import Audience, audience_mark
from processor.computed.selector import Selector
from processor.computed.size import audience_bytes
from processor.settings.calculated import Version
from processor.settings.criteria import CriteriaReader
from processor.settings.error import Mistakes, SettingsError, hint
from processor.settings.events import check_names

MOST_AUDIENCES: Final = 200
MOST_LEAVES: Final = 50


class AudienceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[workspaces.NAME.audiences.NAME]``: the people who fit a rule right now."""

    all: tuple[Any, ...] | None = None
    """Criteria that must all hold; or ``any``, exactly one of the two."""
    any: tuple[Any, ...] | None = None
    version: Version = 1
    status: Literal["active", "draft", "retired"] = "active"
    publish: bool = True
    identities: tuple[str, ...] = ()
    """Identity types whose current values messages carry."""
    attributes: tuple[str, ...] = ()
    description: str = ""


Written = Mapping[str, AudienceSettings]


class AudienceReader(Struct, frozen=True):
    """Reads the audiences of one workspace."""

    path: str
    written: Written
    selectors: Mapping[str, Selector]
    identity_type: Callable[[str], str | None]
    max_bytes: int

    def read(self) -> dict[str, Audience]:
        """Return all audiences, drafts among them; SettingsError names what cannot be."""
        check_names(self.written, MOST_AUDIENCES, self.path)
        found, mistakes = {}, Mistakes()
        for name in self.written:
            with mistakes.noted():
                found[name] = self._audience(name)
        mistakes.check()
        return found

    def _audience(self, name: str) -> Audience:
        path, written = f"{self.path}.{name}", self.written[name]
        criterion = self._criterion(name, lambda other, at: self._other(name, other, at))
        found = Audience(
            name=name,
            version=written.version,
            criterion=criterion,
            mark=audience_mark(criterion),
            is_retired=written.status == "retired",
            is_published=written.publish,
            identities=tuple(self._types(written.identities, f"{path}.identities")),
            attributes=tuple(dict.fromkeys(written.attributes)),
        )
        number = sum(1 for _ in leaves(criterion))
        if number > MOST_LEAVES:
            raise SettingsError(f"{path}: has {number} criteria; {MOST_LEAVES} are the most")
        size = audience_bytes(found)
        if size > self.max_bytes:
            raise SettingsError(
                f"{path}: can take {size} bytes of a person, more than"
                f" limits.max_computed_bytes ({self.max_bytes}); count fewer events"
            )
        return found

    def _criterion(self, name: str, other: Callable[[str, str], Criterion]) -> Criterion:
        path, written = f"{self.path}.{name}", self.written[name]
        if (written.all is None) == (written.any is None):
            raise SettingsError(f"{path}: must have exactly one of all and any")
        kind, tables = ("any", written.any) if written.all is None else ("all", written.all)
        reader = CriteriaReader(self.selectors, self.identity_type, other)
        return reader.knot(kind, tables, f"{path}.{kind}")

    def _other(self, name: str, other: str, path: str) -> Criterion:
        """Return the criterion of *name* on the audience *other*, whose own tree has none such."""
        if other not in self.written:
            raise SettingsError(f"{path}: there is no audience {other}{hint(other, self.written)}")
        if other == name:
            raise SettingsError(f"{path}: is the audience itself")
        statuses = (self.written[name].status, self.written[other].status)
        if statuses[1] == "draft" and statuses[0] != "draft":
            raise SettingsError(f"{path}: {other} is a draft, which is not run")

        def nested(_: str, at: str) -> Criterion:
            del at
            raise SettingsError(
                f"{path}: {other} has a criterion on an audience itself; one level is the most"
            )

        criterion = self._criterion(other, nested)
        return AudienceFits(other, None if statuses[1] == "retired" else criterion)

    def _types(self, names: tuple[str, ...], path: str) -> Iterator[str]:
        for name in dict.fromkeys(names):
            identity_type = self.identity_type(name)
            if identity_type is None:
                raise SettingsError(f"{path}: {name} is no identity type")
            yield identity_type
