"""WordAround chat: a distributed chat node on Flask-SocketIO and Redis that loses no acknowledged message."""
