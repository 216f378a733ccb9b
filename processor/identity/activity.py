"""When a profile was last active, and when that is worth writing down."""

from msgspec.structs import replace

from processor.identity.profile import Profile
from processor.identity.question import Question


def last_activity(profile: Profile) -> tuple[int, int, int]:
    """Return the sort key of *profile*: last activity, then the newer one, then the lower MPID."""
    return profile.last_seen_ms, profile.created_ms, -profile.mpid


def seen(question: Question, before: Profile, after: Profile) -> Profile:
    """Return *after* with its last activity as of the request, where that has to be written.

    It is written along with any other change. Else it is written once the stored time is older than
    the policy's resolution, so that known users write nothing. A contested profile needs the exact
    time, on every match; where every identifier has one owner profiles never tie, and the flag is
    not looked at.
    """
    policy, time_ms = question.policy, question.request.time_ms
    is_exact = after.contested and not policy.traits.has_one_owner
    is_due = is_exact or after is not before
    if time_ms - after.last_seen_ms > (0 if is_due else policy.activity_resolution_ms):
        return replace(after, last_seen_ms=time_ms)
    return after
