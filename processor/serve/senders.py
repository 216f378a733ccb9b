"""Whose records may come by a topic: batches on their way out do not name their workspace."""

from processor.rules import WorkspaceRules
from processor.settings import Settings


def who_sends(settings: Settings, topic: str) -> list[WorkspaceRules]:
    """Return the workspaces whose records may come by *topic*; by one of the past all's may."""
    if topic not in settings.kafka.topics.fed:
        return list(settings.workspaces.values())
    role = settings.kafka.topics.roles.get(topic)
    return [one.workspace for one in settings.inputs.values() if one.may_come_by(topic, role)]
