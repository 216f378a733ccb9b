"""What may be remembered of a decision: what that presupposes, and until when it holds. Pure.

A decision depends on what its batch says, on what it read of the index, and on time. So where it
did nothing, a later batch in the same words does nothing either, while the index holds the same and
time makes no difference. Of which decisions that is true, and until when, is said here alone:

* What the batch says besides its words made no difference (``_hangs_on_words``).
* All that it read has slots, current while the index holds that (``_presupposed``). What is absent,
  and what has a marker, has none (``index.cache``).
* Both times of the later record lie within the ``Term`` of the decision (``term_of``).

Whatever else decisions or enriched batches come to depend on belongs in one of these. Answers are
given by it in ``batches``, at the visit, and in ``known``, where the record is decided.
"""

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from processor.identity.decision import Matched
from processor.identity.model import Space
from processor.identity.profile import NO_DATA, Profile
from processor.identity.unnamed import of_mpid
from processor.identity.view import Asked
from processor.index.cache import Slots
from processor.pipeline.ageing import stored_ms
from processor.pipeline.batches import Batch
from processor.pipeline.computing import NOTHING
from processor.pipeline.known import memo_of
from processor.pipeline.memory import FOREVER_MS, Memo, Memory, Reads, Term
from processor.pipeline.naming import NEVER_MS, identity_ends
from processor.pipeline.showing import holds_until
from processor.pipeline.work import Decided, Work
from processor.profiles.attributes import renewed_until
from processor.profiles.consent import is_of_record
from processor.profiles.devices import last_known
from processor.rules import Limits

SlotsOf = Callable[[Space, Asked], Slots | None]
"""Returns the slots of what was read, if the index holds all of that still."""


def remember(memory: Memory, decided: Iterable[Decided], limits: Limits, slots_of: SlotsOf) -> None:
    """Remember what may be of each decision on an event batch: all of it, else whom it names.

    Neither is of those that are replayed, or that came from memory.
    """
    for one in decided:
        content = one.work.content
        if type(content) is not Batch or content.naming is None or one.verdict is None:
            continue
        memo = lasting(one, content, limits, slots_of)
        if memo is not None:
            memory.keep(one.work.rules, memo)
            continue
        naming, verdict = content.naming, one.verdict
        naming.answer = verdict.answer or naming.answer
        if not naming.words and type(verdict.decision) is Matched and not content.batch.ignored:
            memory.keep_naming(one.work.rules, naming, content.batch.fields)


def lasting(decided: Decided, content: Batch, limits: Limits, slots_of: SlotsOf) -> Memo | None:
    """Return what is remembered of a decision as a whole; None where that may not be."""
    work, profile = decided.work, decided.profile
    if profile is None or not _did_nothing(decided) or not _hangs_on_words(work, content):
        return None
    asked = _presupposed(decided, content)
    slots = None if asked is None else slots_of(work.space, asked)
    if asked is None or slots is None:
        return None
    term = term_of(decided, content, profile, limits)
    if not term.covers(work.time_ms, work.record.timestamp_ms):
        return None
    reads = Reads(asked.identifiers, asked.mpids, slots)
    return memo_of(decided, content.batch, profile, reads, term, content.definitions)


def _did_nothing(decided: Decided) -> bool:
    """Whether a decision changed nothing, and told nothing but the enriched batch."""
    verdict = decided.verdict
    return (
        not decided.documents
        and verdict is not None
        and type(verdict.decision) is Matched
        and not decided.entry.changes
        and verdict.notifications is None
        and (decided.computed is None or decided.computed == NOTHING)
    )


def _hangs_on_words(work: Work, content: Batch) -> bool:
    """Whether nothing mattered that a later batch in the same words may say otherwise."""
    rules = work.rules
    if work.ignored or content.matches:
        return False  # what is odd, and events that are wanted, count each time
    if rules.workspace.sdk_requires_change_events and rules.source == "sdk":
        return False  # its events say which attributes count
    # Consent that is dated by its record is a later one in a later record.
    return not is_of_record(content.batch.consent_state or {}, work.record.timestamp_ms)


def _presupposed(decided: Decided, content: Batch) -> Asked | None:
    """Return what a decision read; None where an earlier record of its lot had changed some of it.

    Where workspaces share profiles, that the MPID which a batch names has no marker is not to be
    looked up again: absence has no slot, but whoever sets one takes the data of this workspace from
    the profile in the same step.
    """
    asked, mpid = decided.asked, content.batch.mpid
    if asked is None or mpid is None or (alive := of_mpid(mpid)) not in asked.identifiers:
        return asked
    profile = asked.read.profiles[mpid]
    if alive in asked.read.markers or profile is None or profile.merged_into is not None:
        return asked
    if decided.work.rules.workspace.name not in profile.workspaces:
        return asked
    return replace(asked, identifiers=tuple([one for one in asked.identifiers if one != alive]))


def term_of(decided: Decided, content: Batch, profile: Profile, limits: Limits) -> Term:
    """Return until when the same batch does nothing, of a decision that did nothing."""
    workspace = decided.work.rules.workspace
    due_ms = [FOREVER_MS]
    if decided.computed is not None:
        due_ms.append(holds_until(content.definitions, profile))
    if workspace.lifetimes is not None:  # a later receipt has to be noted
        due_ms.append(stored_ms(profile) + limits.receipt_resolution_ms)
    return Term(min(_renewals(decided.work, content, profile, limits)), min(due_ms))


def _renewals(work: Work, content: Batch, profile: Profile, limits: Limits) -> Iterator[int]:
    """Yield up to when each thing that a batch says is not written again; ``NEVER_MS``: it may be.

    The profile has all of it. So nothing is written until activity has to be.
    """
    assert work.request is not None
    workspace, batch = work.rules.workspace, content.batch
    policy, resolution_ms = workspace.policy, limits.activity_resolution_ms
    data = profile.workspaces.get(workspace.name, NO_DATA)
    yield profile.last_seen_ms + policy.activity_resolution_ms
    if profile.contested and not policy.traits.has_one_owner:
        yield profile.last_seen_ms
    yield from identity_ends(profile, work.request.identifiers, policy)
    if policy.traits.newest_wins:
        renewed_ms = renewed_until(data.attributes, work.rules, batch, resolution_ms)
        yield NEVER_MS if renewed_ms is None else renewed_ms
    if batch.device_ids:
        seen_ms = last_known(data.devices, batch.device_ids, batch.device_info)
        yield NEVER_MS if seen_ms is None else seen_ms + resolution_ms
