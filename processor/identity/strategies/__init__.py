"""The strategies by name: a file for each way to choose, and none imports another.

``default`` is profile conversion whose settings hold login and unique IDs to ``customerid``.

``flat_matching`` is not in the table: it does not choose a profile, it answers whole requests.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from processor.identity.strategies import (
    best_match,
    profile_conversion,
    profile_isolation,
    profile_link,
)
from processor.identity.strategies.strategy import Strategy

STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {
        "default": profile_conversion.STRATEGY,
        "profile_conversion": profile_conversion.STRATEGY,
        "profile_link": profile_link.STRATEGY,
        "profile_isolation": profile_isolation.STRATEGY,
        "best_match": best_match.STRATEGY,
    }
)
