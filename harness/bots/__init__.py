"""The bots: a Locust subprocess that speaks Socket.IO and records what every client saw."""
