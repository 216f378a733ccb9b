"""``idstream privacy``: requests of people under privacy law, sent, looked at, and proved."""
