"""Lifetimes: the retention of workspaces, on which those of one identity scope agree."""

import math
from collections.abc import Mapping
from typing import Final

from processor.clock.bucket import DAY_MS
from processor.rules import Lifetimes, Limits, WorkspaceRules
from processor.settings.error import Mistakes
from processor.settings.sections import WorkspaceSettings

_LEAST_RESOLUTIONS: Final = 4
"""A profile's last receipt is noted once per resolution, so a lifetime is several of them."""
_MOST_DAYS: Final = 36_500


def lifetimes(workspace: WorkspaceSettings, limits: Limits, path: str) -> Lifetimes | None:
    """Return the lifetimes that a workspace's table at *path* says; None where nobody ages."""
    mistakes = Mistakes()
    found: dict[str, int] = {}
    least_ms = _LEAST_RESOLUTIONS * limits.receipt_resolution_ms
    for key in workspace.retention.__struct_fields__:
        days = getattr(workspace.retention, key)
        where = f"{path}.retention.{key}"
        if not (math.isfinite(days) and 0 <= days <= _MOST_DAYS):
            mistakes.tell(f"{where}: must be a number of days from 0 to {_MOST_DAYS}")
        elif days and days * DAY_MS < least_ms:
            mistakes.tell(
                f"{where}: must be 0, or at least four times limits.activity_resolution_s"
                f" (that is {least_ms / DAY_MS:g} days)"
            )
        else:
            found[key.replace("_days", "_ms")] = round(days * DAY_MS)
    mistakes.check()
    its = Lifetimes(**found, keeps_identity=workspace.keep_identity_record)
    return its if its.anonymous_ms or its.known_ms else None


def check_lifetimes(
    written: Mapping[str, WorkspaceSettings], rules: Mapping[str, WorkspaceRules]
) -> None:
    """Refuse workspaces of one identity scope that do not agree on lifetimes."""
    mistakes = Mistakes()
    first: dict[str, str] = {}
    for name, workspace in rules.items():
        other = first.setdefault(workspace.scope, name)
        for key in ("retention", "keep_identity_record"):
            if getattr(written[name], key) != getattr(written[other], key):
                mistakes.tell(
                    f"workspaces.{name}.{key}: differs from workspace {other} of the same"
                    f" identity_scope {workspace.scope}; make them equal"
                )
    mistakes.check()
