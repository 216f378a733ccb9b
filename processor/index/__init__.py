"""The identity index and profile store: Redis (and Valkey), and its twin in memory."""
