"""Which profiles a poll batch publishes, and with which of its records.

Of a profile that several records changed, only the last version is published.
"""

from collections.abc import Mapping, Sequence

from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.pipeline.publish import profile_record
from processor.pipeline.session import Sessions
from processor.pipeline.sweeps import Carried
from processor.pipeline.work import Decided, Settled
from processor.profiles.sections import Section, made
from processor.records import Output

ChangedBy = Mapping[int, tuple[Space, Sequence[Profile | Grave | Filed]]]
"""By number of a record the space and the documents that it changed."""


def changed_by(decided: Mapping[int, Decided], carried: Mapping[int, Carried]) -> ChangedBy:
    """Return what records and sweeps have changed, by their numbers in the poll batch."""
    changed = {n: (one.work.space, one.documents) for n, one in decided.items() if one.documents}
    swept = {n: (one.order.space, one.documents) for n, one in carried.items()}
    return {**changed, **swept} if swept else changed


def add_profiles(
    settled: Sequence[Settled], changed: ChangedBy, sessions: Sessions, section: Section
) -> None:
    """Hand each changed profile to the last record that changed it."""
    last = {
        (space, document.mpid): number
        for number, (space, documents) in changed.items()
        for document in documents
    }
    for number, (space, documents) in changed.items():
        one = settled[number]
        source = one.record.topic, one.record.partition, one.record.offset
        newest = [each for each in documents if last[space, each.mpid] == number]
        for document in newest:
            sessions[space].note_published(document)
        if newest:
            # Who is new may never come back: nothing is remembered of them.
            records = [
                profile_record(each, space, source, made if each.version == 1 else section)
                for each in newest
            ]
            one.profiles = (*one.profiles, *records)


def republished(sessions: Sessions) -> list[Output]:
    """Return the documents that rows still owe, to publish them again."""
    return [
        profile_record(owed.document, space, (owed.row.topic, owed.row.partition, owed.offset))
        for space, session in sessions.items()
        for owed in session.owed()
    ]
