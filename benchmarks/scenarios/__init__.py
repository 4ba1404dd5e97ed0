"""What is measured: `python -m benchmarks.scenarios.NAME` for those that stand alone."""
