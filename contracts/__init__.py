"""Messages as contracts: rules of how schemas evolve, and documents made of the schemas."""
