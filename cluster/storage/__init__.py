"""The way to Redis: connections, scripts, names of keys, and what is read outside of the tail."""
