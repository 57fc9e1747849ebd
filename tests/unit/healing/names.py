"""The runs of these tests: random, so that the same tests in another checkout do not end each other's."""

import os

RUN, OTHER = os.urandom(4).hex(), os.urandom(4).hex()
