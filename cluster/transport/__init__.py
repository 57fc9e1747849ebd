"""From sockets to events and back: WebSocket frames, buffers, pings, sessions, the HTTP server."""
