"""TLS servers whose certificates the client does not trust."""

import ssl

import trustme


def untrusted_context() -> ssl.SSLContext:
    """Return the context of a server on localhost, signed by an unknown authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context
