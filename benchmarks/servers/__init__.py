"""Servers, each in a process of its own: `python -m benchmarks.servers.NAME` prints its address."""
