"""The backends: how a cluster's members come to be: processes, or Docker containers."""
