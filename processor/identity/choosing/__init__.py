"""Choosing among profiles, as the strategies with a priority do: find, attach, modify, contest."""
