"""The contract: the mock server responds to every request exactly as Django REST Framework does."""
