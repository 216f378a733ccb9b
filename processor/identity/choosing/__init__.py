"""Choosing among profiles under the strategies with a priority: search, contest, change."""
