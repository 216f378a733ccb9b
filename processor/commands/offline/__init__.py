"""``idstream resolve`` and ``explain``: decisions without Kafka and Redis."""
