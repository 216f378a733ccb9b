"""The strategies by name: a file for each, and none imports another.

``default`` is profile conversion whose settings hold login and unique IDs to ``customerid``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from processor.identity.model import StrategyName
from processor.identity.strategies import (
    best_match,
    flat_matching,
    profile_conversion,
    profile_isolation,
    profile_link,
)
from processor.identity.strategies.strategy import Strategy

STRATEGIES: Final[Mapping[StrategyName, Strategy]] = MappingProxyType(
    {
        "default": profile_conversion.STRATEGY,
        "profile_conversion": profile_conversion.STRATEGY,
        "profile_link": profile_link.STRATEGY,
        "profile_isolation": profile_isolation.STRATEGY,
        "best_match": best_match.STRATEGY,
        "flat_matching": flat_matching.STRATEGY,
    }
)
