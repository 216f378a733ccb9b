"""The Kafka loop: consumes poll batches, publishes their outputs and commits, exactly once."""
