"""`wordaround doctor`: what this machine has of what WordAround needs, found out by trying.

    finding.py   what was found of one thing, and of all
    trying.py    a command that is tried
    programs.py  Python and what is installed for it, Redis, Chromium
    engine.py    Docker: its engine, its images
    kernel.py    ports, mounts, clocks, limits
    network.py   packet filters in a network namespace
    examine.py   all of it, at once

Every try has a deadline and happens in a process, a namespace or a container that ends with it.
"""

from harness.doctor.examine import examine
from harness.doctor.finding import Examination, Finding

__all__ = ["Examination", "Finding", "examine"]
