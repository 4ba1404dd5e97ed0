"""The latest results (`results.json`), and the report, goals and charts made from them."""
