"""Who is there: nodes and their leases, what nodes tell each other, users in rooms, and how a node leaves."""
