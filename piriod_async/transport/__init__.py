"""One request: connections, authentication, retries and rate limits."""
