"""``idstream resolve`` and ``idstream explain``: decisions without Kafka and Redis."""
