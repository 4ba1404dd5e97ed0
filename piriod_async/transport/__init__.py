"""Sending one request: connections, authentication, rate limits and retries."""
