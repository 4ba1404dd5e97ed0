"""What was measured last (`results.json`), and how it is shown: `results.md`, its goals and charts."""
