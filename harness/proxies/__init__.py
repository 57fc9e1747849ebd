"""The links of a cluster of local processes: a TCP proxy between members that can be cut and slowed.

One process (`python -m harness.proxies`) carries all links of a run. Members and clients are given the
proxies' addresses in place of each other's, so that whatever they say to each other passes here:

    clients ──▶ one listener a node ──▶ node
    node ──▶ one listener a node ──▶ Redis
    nodes ──▶ one listener a node ──▶ node      who is calling is found by who owns the connecting socket

A *link* has two *pipes*, one a direction; a *connection* has two *flows*, each through one pipe. What is
wrong with a link is said of its pipes, so that it holds for the connections that there are and for those
to come. Without anything wrong, bytes and ends are passed on at once.

What a proxy cannot do as a network does:

- there are no packets: none can be lost singly, and what is stalled goes on as soon as it may, where TCP
  would wait for its next retransmission;
- a connection is accepted here before its target is asked. So a target that is down, or refuses, is seen
  by the first who tries as a connection that is reset at once; from then on the listener is closed, and
  the kernel refuses as it does for a dead process, until the target listens again;
- while one direction is cut, no connection can be made (the handshake needs both), and the other one of an
  established connection carries a little more, as without acknowledgements, and then stalls.
"""
