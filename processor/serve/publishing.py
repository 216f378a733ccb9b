"""The routes of the published Profile API (docs/serve.md, "The published API")."""

from functools import lru_cache

from starlette.requests import Request

from processor.identity.model import Environment, Space
from processor.serve import people
from processor.serve.credentials import Token
from processor.serve.door import Answer, Way, header_of
from processor.serve.gate import Gate, body_of, parameters
from processor.serve.published import asked_fields, published_profile
from processor.serve.questions import ResolveQuestion, environment_of, mpid_of, read_body
from processor.serve.refusal import Refusal, bad_request
from processor.serve.reply import unchanged
from processor.serve.routes import ETAG, KEPT, Api, Cut, tagged
from processor.serve.tags import aspect_of, is_among, of_values, tag_of


class PublishedCut(Cut, frozen=True):
    """A cut in the published form."""

    fields: frozenset[str]
    as_text: bool
    """MPIDs are texts."""


class Publishing:
    """The published form of the people of *api*."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._cut = lru_cache(KEPT)(self._published_cut)

    def routes(self, gate: Gate) -> list[Way]:
        """Return the routes, behind *gate*."""
        whose = "/{org}/{account}/{workspace}"
        resolve = gate.endpoint("resolve", "profiles:read", self.resolve)
        published = gate.endpoint("published", "profiles:read", self.published)
        return [
            Way(f"/userprofile/v1/resolve{whose}", resolve, ("POST",)),
            Way(f"/userprofile/v1{whose}/{{mpid}}", published, ("GET", "POST")),
        ]

    def _published_cut(
        self, token: Token, workspace: str, environment: Environment, fields: str, form: str | None
    ) -> PublishedCut:
        """Return what *fields* show to the bearer of *token*, who may read the workspace."""
        rights = self._api.rights(self._api.workspaces[workspace], token)
        aspect = aspect_of("published", environment, rights, form, fields)
        asked = frozenset(fields.split(","))
        is_timeless = rights.is_timeless or "user_attributes" not in asked
        return PublishedCut(rights, aspect, is_timeless, asked, as_text=form == "text")

    async def published(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /userprofile/v1/{org}/{account}/{workspace}/{mpid}``."""
        if request.path_params["org"] == "resolve":
            raise Refusal(405, "METHOD_NOT_ALLOWED", "this takes POST", {"Allow": "POST"})
        asked = parameters(request, "environment", "fields", "mpid")
        environment = environment_of(asked.get("environment"))
        workspace = self._api.allowed(request.path_params["workspace"], environment, token)
        fields = asked_fields(asked.get("fields"))
        mpid = mpid_of(request.path_params["mpid"])
        space = Space(workspace.scope, environment)
        form = _form(asked.get("mpid"))
        cut = self._cut(token, workspace.name, environment, ",".join(sorted(fields)), form)
        known = header_of(request, b"if-none-match")
        if known is not None and cut.is_timeless:
            head = await self._api.reader.head(space, mpid)
            if head is not None and is_among(tag := tag_of(*head, cut.aspect), known):
                return unchanged((ETAG, tag.encode()))
        found = await people.by_mpid(self._api.reader, space, mpid)
        return self._publish(found, cut, known)

    async def resolve(self, request: Request, token: Token) -> Answer:
        """Answer ``POST /userprofile/v1/resolve/{org}/{account}/{workspace}``."""
        asked = parameters(request, "fields", "mpid")
        fields = asked_fields(asked.get("fields"))
        question = read_body(await body_of(request), ResolveQuestion)
        environment, its = question.environment_type, question.identity
        workspace = self._api.allowed(request.path_params["workspace"], environment, token)
        identifier = people.lookup_identifier(workspace, environment, its.type, its.value)
        policy, kind = workspace.policy, workspace.keys.request[its.type]
        if kind not in policy.immutable_ids and not policy.search_any_identity:
            raise bad_request("identity.type: is no immutable identity")
        space = Space(workspace.scope, environment)
        form = _form(asked.get("mpid"))
        cut = self._cut(token, workspace.name, environment, ",".join(sorted(fields)), form)
        _, (found,) = await people.each(self._api.reader, space, [identifier])
        return self._publish(found, cut, None)

    def _publish(self, found: people.Found | None, cut: PublishedCut, known: str | None) -> Answer:
        if found is None:
            raise bad_request("requested profile is invalid")
        its = found.profile
        body = published_profile(
            its, cut.rights, cut.fields, self._api.now_ms(), as_text=cut.as_text
        )
        tag = tag_of(its.mpid, its.version, cut.aspect)
        shown = tag if cut.is_timeless else of_values(tag, body.user_attributes)
        return tagged(body, shown, known, found.seq)


def _form(text: str | None) -> str | None:
    if text not in (None, "text"):
        raise bad_request("mpid: takes text")
    return text
