"""When a profile was last active, and when that is worth writing down."""

from msgspec.structs import replace

from processor.identity.profile import Profile
from processor.identity.question import Question


def last_activity(profile: Profile) -> tuple[int, int, int]:
    """Order profiles: last activity, then the newest, then the lowest MPID is the highest."""
    return profile.last_seen_ms, profile.created_ms, -profile.mpid


def seen(question: Question, before: Profile, after: Profile) -> Profile:
    """Return *after* with its last activity as of the request, where that is due.

    It is due with every other change, and else once the stored one is older than the policy's
    resolution, so that known users write nothing. Of a contested profile it must be exact; where
    identifiers have one owner there are no ties, and the flag says nothing.
    """
    policy, time_ms = question.policy, question.request.time_ms
    is_exact = after.contested and not policy.traits.has_one_owner
    is_due = is_exact or after is not before
    if time_ms - after.last_seen_ms > (0 if is_due else policy.activity_resolution_ms):
        return replace(after, last_seen_ms=time_ms)
    return after
