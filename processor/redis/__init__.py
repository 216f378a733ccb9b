"""Everything that knows Redis: the index on it, its generations, the restoration into one."""
