"""Everything that talks to Kafka: the loop, transactions, rebalances."""
