"""The cost of listing customers, compared with other clients: `python -m benchmarks`. See `README.md`."""
