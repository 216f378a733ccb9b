"""The identity index on Redis: everything that knows Redis is here."""
