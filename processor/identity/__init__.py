"""Identity resolution: pure functions from a request, a view of the index and a policy to a decision."""
