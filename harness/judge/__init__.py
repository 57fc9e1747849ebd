"""The judge: what a run's record says about the guarantees.

judgement.py    the verdict, from everything below        (pure)
coverage.py     did the run test what its plan says?      (pure)
lifecycle.py    did it begin, end and settle as it must?  (pure)
figures.py      latencies, reconnections, counts          (pure)
early.py        what is certain before the run is over    (pure)
folder.py       the same for a saved run folder           (reads files, writes none)
exit_codes.py   what a verdict means for a shell
"""
