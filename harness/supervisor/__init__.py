"""`wordaround up`: a cluster that stays, and the process that owns it.

    records.py     the order to start one, its status, how it is reached
    starting.py    the command's side: start a supervisor, hear how it goes, keep it or end it
    supervisor.py  the supervisor's: from the order to the end of the cluster
    members.py     what can be asked of the members and done to them
    answers.py     what is answered to those who ask the supervisor
    control.py     the control socket, for `status` and `down`: both ends
    web.py         the same over HTTP on 127.0.0.1, for the page that a node serves
    clusters.py    which clusters are up on this machine

The supervisor holds the run's claim (`harness/claims.py`), so its watchdog ends the cluster when it dies,
and a claim whose lock is held tells of a living one. It restarts nothing by itself: whoever looks at a
cluster by hand must see what it does.
"""
