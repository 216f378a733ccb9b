"""Programs of Prometheus."""

import shutil

from tests.servers.missing import missing


def program(name: str) -> str:
    """Return where *name*, ``prometheus`` or ``promtool``, is."""
    found = shutil.which(name)
    if found is None:
        missing(f"no {name} (Debian: prometheus): the alerts and the dashboard were NOT tried")
    return found
