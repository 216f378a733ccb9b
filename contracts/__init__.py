"""The messages as contracts: may a schema evolve so, and what follows from the schemas."""
