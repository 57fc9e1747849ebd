"""How a message gets into the log, and from there to its recipients; the pub/sub variant beside it."""
