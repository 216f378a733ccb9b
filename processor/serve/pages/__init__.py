"""The activity pages: one person, and what happens now, for people who look (docs/serve.md)."""
