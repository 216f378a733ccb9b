"""The routes of the profile API (docs/serve.md)."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace
from starlette.requests import Request

from processor.computed.definition import Scope
from processor.identity.grave import Grave
from processor.identity.model import Environment, Identifier, Space
from processor.index.sight import Reader
from processor.rules import WorkspaceRules
from processor.serve import people
from processor.serve.credentials import Token
from processor.serve.door import Answer, Way, header_of
from processor.serve.gate import Gate, body_of, parameters
from processor.serve.native import ProfileView, Rights, asked_parts, profile_view
from processor.serve.questions import (
    MOST_ASKED,
    BatchQuestion,
    LookupQuestion,
    PersonQuestion,
    environment_of,
    mpid_of,
    read_body,
    whole_number,
)
from processor.serve.refusal import bad_request, forbidden, gone, not_found, not_yet
from processor.serve.reply import Header, answer, unchanged
from processor.serve.tags import aspect_of, is_among, of_values, tag_of

_SEQ: Final = b"x-idstream-seq"
ETAG: Final = b"etag"
KEPT: Final = 256
"""For how many ways of asking it is kept what they show."""
_MOST_VERSION: Final = 2**63 - 1
_encode = msgspec.json.Encoder().encode


class LookupAnswer(Struct):
    """Who was found, the most recently active first."""

    profiles: list[ProfileView]
    truncated: bool
    """There are more holders than these."""
    resolution: dict[str, Any] | UnsetType = UNSET
    """Of a search: why this one."""


class BatchAnswer(Struct):
    """In the order of the questions; null where there is nobody."""

    profiles: list[ProfileView | None]


class Cut(Struct, frozen=True):
    """What of a profile is shown to somebody who asks in some way, and how tags call that."""

    rights: Rights
    aspect: str
    is_timeless: bool
    """Time alone changes nothing of it, so that a version says it all."""


class Api:
    """The profile API over *reader*, for *workspaces*; *ids* are numbers that name some of them.

    *computed* are the definitions by identity scope, *wall* tells seconds since 1970.
    """

    def __init__(
        self,
        reader: Reader,
        workspaces: Mapping[str, WorkspaceRules],
        ids: Mapping[str, str],
        computed: Mapping[str, Scope],
        wall: Callable[[], float],
    ) -> None:
        self.reader = reader
        self._wall = wall
        self._definitions = {
            name: its for scope in computed.values() for name, its in scope.workspaces.items()
        }
        self._audiences = {
            name: {one.name: one.version for one in its.audiences.values() if one.is_published}
            for name, its in self._definitions.items()
        }
        self.workspaces = workspaces
        self._ids = ids
        # To work these out takes as long as to look the profile up.
        self._cut = lru_cache(KEPT)(self._native_cut)

    def routes(self, gate: Gate) -> list[Way]:
        """Return the routes, behind *gate*."""

        def route(path: str, name: str, *methods: str) -> Way:
            return Way(path, gate.endpoint(name, "profiles:read", getattr(self, name)), methods)

        return [
            route("/v1/{workspace}/profiles/lookup", "lookup", "POST"),
            route("/v1/{workspace}/profiles/batch", "batch", "POST"),
            route("/v1/{workspace}/profiles/{mpid}", "profile", "GET"),
        ]

    def allowed(self, name: str, environment: Environment, token: Token) -> WorkspaceRules:
        """Return the workspace called *name*, if *token* may read it in *environment*."""
        workspace = self.workspaces.get(self._ids.get(name, name))
        if workspace is None or workspace.name not in token.workspaces:
            raise forbidden()
        if environment not in token.environments:
            raise forbidden()
        return workspace

    def rights(self, workspace: WorkspaceRules, token: Token) -> Rights:
        """Return what the bearer of *token* may see of people in *workspace*."""
        return Rights(
            workspace.name,
            workspace.policy,
            token,
            self.reader.token,
            audiences=self._audiences.get(workspace.name, {}),
            definitions=self._definitions.get(workspace.name),
        )

    def now_ms(self) -> int:
        """Return the instant at which what time changes is shown."""
        return int(self._wall() * 1000)

    def _native_cut(
        self, token: Token, workspace: str, environment: Environment, fields: str | None
    ) -> Cut:
        """Return what *fields* show to the bearer of *token*, who may read the workspace."""
        parts, names = asked_parts(fields)
        rights = replace(self.rights(self.workspaces[workspace], token), parts=parts, names=names)
        is_timeless = rights.is_timeless or "calculated" not in parts
        return Cut(rights, aspect_of("profile", environment, rights), is_timeless)

    async def profile(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /v1/{workspace}/profiles/{mpid}``."""
        asked = parameters(request, "environment", "fields", "min_version")
        environment = environment_of(asked.get("environment"))
        workspace = self.allowed(request.path_params["workspace"], environment, token)
        mpid = mpid_of(request.path_params["mpid"])
        cut = self._cut(token, workspace.name, environment, asked.get("fields"))
        least = whole_number(asked.get("min_version"), "min_version", _MOST_VERSION) or 0
        space = Space(workspace.scope, environment)
        known = header_of(request, b"if-none-match")
        if known is not None and cut.is_timeless:
            head = await self.reader.head(space, mpid)
            if head is not None and head.version >= least:
                tag = _tag(cut, environment, mpid, head.mpid, head.version)
                if is_among(tag, known):
                    return unchanged((ETAG, tag.encode()))
        found = await people.alive_or_not(self.reader, space, mpid)
        if isinstance(found, Grave) and token.may("privacy:read"):
            raise gone(found.why)
        if not isinstance(found, people.Found):
            raise not_yet() if least else not_found()
        its = found.profile
        if least > its.version:
            raise not_yet()
        body = profile_view(its, mpid, cut.rights, self.now_ms())
        tag = _tag(cut, environment, mpid, its.mpid, its.version)
        shown = tag if cut.is_timeless else of_values(tag, body.calculated or {})
        return tagged(body, shown, known, found.seq)

    async def lookup(self, request: Request, token: Token) -> Answer:
        """Answer ``POST /v1/{workspace}/profiles/lookup``."""
        asked = parameters(request, "fields")
        question = read_body(await body_of(request), LookupQuestion)
        workspace = self.allowed(request.path_params["workspace"], question.environment, token)
        cut = self._cut(token, workspace.name, question.environment, asked.get("fields"))
        if (question.identity is None) == (question.identities is None):
            raise bad_request("body: has identity, or identities with as")
        if question.identities is not None:
            return await self._search(question, workspace, cut.rights)
        if question.match_as is not None:
            raise bad_request("body.as: goes with identities")
        assert question.identity is not None
        its = question.identity
        identifier = people.lookup_identifier(workspace, question.environment, its.type, its.value)
        space = Space(workspace.scope, question.environment)
        found = await people.by_identity(self.reader, space, identifier)
        now_ms = self.now_ms()
        views = [profile_view(p, p.mpid, cut.rights, now_ms) for p in found.profiles]
        body = LookupAnswer(views, found.is_truncated)
        return answer(body, more=[seq_of(found.seq)])

    async def _search(
        self, question: LookupQuestion, workspace: WorkspaceRules, rights: Rights
    ) -> Answer:
        if question.match_as is None:
            raise bad_request('body.as: is needed with identities: "search"')
        listed = Raw(_encode(question.identities))
        found = await people.search(self.reader, workspace, question.environment, listed)
        its, now_ms = found.profile, self.now_ms()
        views = [] if its is None else [profile_view(its, its.mpid, rights, now_ms)]
        body = LookupAnswer(views, truncated=False, resolution=dict(found.resolution))
        return answer(body, more=[seq_of(found.seq)])

    async def batch(self, request: Request, token: Token) -> Answer:
        """Answer ``POST /v1/{workspace}/profiles/batch``."""
        asked = parameters(request, "fields")
        question = read_body(await body_of(request), BatchQuestion)
        environment = question.environment
        workspace = self.allowed(request.path_params["workspace"], environment, token)
        rights = self._cut(token, workspace.name, environment, asked.get("fields")).rights
        if not 1 <= len(question.profiles) <= MOST_ASKED:
            raise bad_request(f"body.profiles: holds 1 to {MOST_ASKED} questions")
        wanted = [_wanted(one, workspace, environment) for one in question.profiles]
        space = Space(workspace.scope, environment)
        seq, found = await people.each(self.reader, space, wanted)
        now_ms = self.now_ms()
        views = [
            None if one is None else profile_view(one.profile, one.requested_mpid, rights, now_ms)
            for one in found
        ]
        return answer(BatchAnswer(views), more=[seq_of(seq)])


def tagged(body: object, tag: str, known: str | None, seq: int) -> Answer:
    """Return *body*, or that the caller has it: *known* lists its tag."""
    headers = ((ETAG, tag.encode()), seq_of(seq))
    if known is not None and is_among(tag, known):
        return unchanged(*headers)
    return answer(body, more=headers)


def seq_of(seq: int) -> Header:
    """Return the header that tells which of two answers is the later one."""
    return _SEQ, b"%d" % seq


def _tag(cut: Cut, environment: Environment, requested: int, mpid: int, version: int) -> str:
    """Return the tag of a profile that was asked for by the MPID *requested*, which it may show."""
    if requested == mpid:
        return tag_of(mpid, version, cut.aspect)
    return tag_of(mpid, version, aspect_of("profile", environment, cut.rights, str(requested)))


def _wanted(
    one: PersonQuestion, workspace: WorkspaceRules, environment: Environment
) -> int | Identifier | None:
    if (one.mpid is None) == (one.identity is None):
        raise bad_request("body.profiles[...]: has mpid or identity")
    if one.identity is not None:
        its = one.identity
        return people.lookup_identifier(workspace, environment, its.type, its.value)
    return mpid_of(str(one.mpid))
