"""``idstream check``: the configuration and all that it points to, looked at before it matters."""
