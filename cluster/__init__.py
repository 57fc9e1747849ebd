"""WordAround chat: a distributed chat node on Flask-SocketIO and Redis that loses no acknowledged message."""

__version__ = "0.1.0"  # of the whole distribution: pyproject.toml reads it here
