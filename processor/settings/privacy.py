"""The ``[privacy]`` section, as it is for each workspace, and the topics that it needs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from processor.identity.marker import workspace_mark
from processor.rules import InputRules, PrivacyRules, WorkspaceRules
from processor.settings.error import Mistakes, SettingsError
from processor.settings.sections import KafkaSettings, PrivacySettings

_DAY_MS: Final = 86_400_000


def with_privacy(
    rules: Mapping[str, WorkspaceRules], privacy: PrivacySettings | None
) -> dict[str, WorkspaceRules]:
    """Return *rules* with what the section says; without one there are no such requests."""
    if privacy is None:
        return dict(rules)
    scopes = Counter(workspace.scope for workspace in rules.values())
    return {
        name: replace(
            workspace,
            privacy=PrivacyRules(
                waiting_ms=int(privacy.waiting_days * _DAY_MS),
                record_ms=int(privacy.record_days * _DAY_MS),
                results_ms=int(privacy.results_days * _DAY_MS),
                follow=privacy.follow,
                compare=privacy.compare,
                mark=workspace_mark(name),
                is_shared=scopes[workspace.scope] > 1,
            ),
        )
        for name, workspace in rules.items()
    }


def with_privacy_topics(kafka: KafkaSettings, privacy: PrivacySettings | None) -> KafkaSettings:
    """Return *kafka* with the topics of receipts and cases only where requests are carried out."""
    topics = kafka.topics
    if privacy is None:
        return replace(kafka, topics=replace(topics, receipts="", cases=""))
    for role in ("receipts", "cases"):
        if not getattr(topics, role):
            raise SettingsError(f"kafka.topics.{role}: must name a topic, as there is [privacy]")
    return kafka


def check_privacy(
    topics: Sequence[str],
    inputs: Mapping[str, InputRules],
    mistakes: Mistakes,
    *,
    is_private: bool,
) -> None:
    """Note what requests under privacy law lack: the table, a topic, an input bound to it."""
    if topics and not is_private:
        mistakes.tell("kafka.topics.privacy: needs [privacy], which switches such requests on")
    if is_private and not topics:
        mistakes.tell("kafka.topics.privacy: must name a topic, as there is [privacy]")
    for topic in topics if is_private else ():
        if not any(topic in one.topics for one in inputs.values()):
            mistakes.tell(
                f"kafka.topics.privacy: no input is bound to {topic}; name it in the topics of the"
                " input whose records may ask for erasures"
            )
