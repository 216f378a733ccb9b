"""Identity resolution: pure functions from request, view of the index and policy to a decision."""
