"""The ``[privacy]`` section, as it is for each workspace."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from processor.identity.marker import workspace_mark
from processor.rules import PrivacyRules, WorkspaceRules
from processor.settings.sections import PrivacySettings

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
