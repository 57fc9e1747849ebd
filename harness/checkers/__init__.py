"""The guarantees, one pure checker a file."""
