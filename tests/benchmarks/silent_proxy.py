"""A TCP proxy that can fall silent: `python -m tests.benchmarks.silent_proxy PORT TARGET_PORT`.

SIGUSR1: it stops forwarding; connections stay open, new ones are accepted and hear nothing. SIGUSR2: new
connections are forwarded again; those from before stay open and dead, as after a cut in which a firewall
lost their state.
"""

import asyncio
import contextlib
import signal
import sys

HOST = "127.0.0.1"
READ_BYTES = 1 << 16


class SilentProxy:
    """Counts its silences: a connection is forwarded as long as none began after it."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._silences = 0
        self._silent = False
        self._kept: list[asyncio.StreamWriter] = []  # a writer that is collected would close its socket

    def fall_silent(self) -> None:
        """Stop forwarding."""
        self._silent = True
        self._silences += 1

    def speak(self) -> None:
        """Forward what connects from now on."""
        self._silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection."""
        self._kept.append(writer)
        began_in = self._silences
        if self._silent:
            return
        with contextlib.suppress(OSError):  # The target is down: then the connection ends here, too.
            upstream_reader, upstream = await asyncio.open_connection(HOST, self._target_port)
            self._kept.append(upstream)
            await asyncio.gather(
                self._pump(reader, upstream, began_in), self._pump(upstream_reader, writer, began_in)
            )
        if began_in == self._silences:
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, began_in: int) -> None:
        while data := await reader.read(READ_BYTES):
            if began_in != self._silences:
                return
            writer.write(data)
            await writer.drain()
        if began_in == self._silences:
            writer.close()


async def _main(port: int, target_port: int) -> None:
    proxy = SilentProxy(target_port)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, proxy.fall_silent)
    loop.add_signal_handler(signal.SIGUSR2, proxy.speak)
    server = await asyncio.start_server(proxy.serve, HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
