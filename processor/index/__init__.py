"""The identity index: what it promises, its twin in memory, and the rules that both follow."""
