"""What the bots' process spends while the load runs."""

import time

from harness import clock


class Spent:
    """Wall and processor time while the load runs."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.cpu_s = 0.0
        self._began: tuple[int, float] | None = None

    def begin(self) -> None:
        self._began = clock.now_ns(), time.process_time()

    def end(self) -> None:
        if self._began is not None:
            self.wall_s = (clock.now_ns() - self._began[0]) / clock.NS
            self.cpu_s = time.process_time() - self._began[1]
            self._began = None
