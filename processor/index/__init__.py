"""The index: what it promises (``port``), in memory (``memory``), and the rules of every index."""
