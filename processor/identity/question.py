"""A question: one request, the view it is decided over, and the rules it is decided by."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from processor.identity.model import Identifier, IdentityPolicy, IdentityRequest
from processor.identity.profile import Profile
from processor.identity.view import View


class DocumentRules(Struct, frozen=True):
    """What decisions must know of documents beyond identities, given as functions.

    The rules themselves are in ``processor.profiles``; without them (in tests of the core) data is
    not looked at.
    """

    combine: Callable[[Profile, Sequence[Profile]], Profile | None] = lambda survivor, _: survivor
    """Return the survivor with the data of the absorbed too; None where that passes a bound."""
    fits: Callable[[Profile], bool] = lambda _: True
    """Whether the document of a profile is within its bounds."""


class Question(Struct, frozen=True, gc=False):
    """One request, the view, the policy, and what documents may hold."""

    request: IdentityRequest
    view: View
    policy: IdentityPolicy
    asserted: Mapping[str, list[Identifier]]
    """What the request says of its user, by type, in its order: its identifiers; of a modify the
    new values.
    """
    documents: DocumentRules

    @classmethod
    def of(
        cls,
        request: IdentityRequest,
        view: View,
        policy: IdentityPolicy,
        documents: DocumentRules = DocumentRules(),  # noqa: B008 - a frozen value
    ) -> "Question":
        """Return the question for *request*, and what the request asserts of its user."""
        asserted: dict[str, list[Identifier]] = {}
        for identifier in request.identifiers:
            asserted.setdefault(identifier.identity_type, []).append(identifier)
        if request.changes:
            for kind, _, new in request.changes:
                if new is not None:
                    asserted.setdefault(kind, []).append(Identifier(kind, new))
        return cls(request, view, policy, asserted, documents)

    @property
    def has_login(self) -> bool:
        """Whether the request carries a login ID."""
        return not self.policy.login_ids.isdisjoint(self.asserted)

    @property
    def supplied(self) -> int | None:
        """The MPID by which a batch names its profile."""
        return self.request.mpid if self.request.action == "batch" else None

    def may_make(self, mpid: int) -> bool:
        """Whether a profile may be made under *mpid*, which a batch names and no profile has."""
        return self.request.may_create and self.view.files.may_be_profile(mpid)

    def new_profile(self, mpid: int) -> Profile:
        """Return an empty profile, created at the time of the request; version 0: not stored."""
        time_ms, space = self.request.time_ms, self.view.space
        if mpid == self.supplied:
            self.view.record.begins_after(mpid, self.request.past_version)
        return Profile(space.scope, space.environment, mpid, 0, time_ms, time_ms)

    def says(self, profile: Profile, types: frozenset[str]) -> bool | None:
        """Whether the request carries an identity of *types* that *profile* has.

        None where the profile has none of *types*. For login IDs the answer is ``is_logged_in``,
        and None means anonymous (docs/messages.md, "Identity responses").
        """
        said = None
        asserted = self.asserted
        for identity in profile.identities:
            if identity.identity_type in types:
                for identifier in asserted.get(identity.identity_type, ()):
                    if identifier.value == identity.value:
                        return True
                said = False
        return said
