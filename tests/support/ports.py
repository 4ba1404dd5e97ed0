"""Ports for servers that are not running yet."""

import socket


def free_port() -> int:
    """Return a port for a server that is started later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
