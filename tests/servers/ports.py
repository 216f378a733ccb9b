"""Ports for servers of tests."""

import secrets
import socket


def free_port() -> int:
    """Return a port that nobody listens on, nor on the one 10,000 above (a cluster's bus).

    Both are below those that the system hands out by itself, so nobody is given one of them before
    the server listens, or while it is away for a moment.
    """
    while True:
        port = 10_000 + secrets.randbelow(12_000)  # whatever seed a test has set
        with socket.socket() as ours, socket.socket() as bus:
            try:
                ours.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
        return port
