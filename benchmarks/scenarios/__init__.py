"""Measurements. Those that stand alone run as `python -m benchmarks.scenarios.NAME`."""
