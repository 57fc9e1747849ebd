"""`wordaround serve`: the runs folder as a web page of this machine, and a run that goes on, live.

It reads files and nothing else: no run is touched, and there is nothing to click that changes anything.

    listing.py     the runs folder: runs, and what is no run
    following.py   one run as its folder shows it at this moment
    drawing.py     lanes, faults and rates of a run as one picture
    foresight.py   violations that are certain before the run is over, judged in the background
    app.py         the pages
    server.py      127.0.0.1, a port, and the end
"""
