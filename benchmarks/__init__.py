"""What a crawl costs, beside other clients: `python -m benchmarks`. `README.md` has the figures."""
