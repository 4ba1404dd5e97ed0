"""The endpoint in Django REST Framework (`tests/contract/reference`), on the database that `REFERENCE_DATABASE` names.

python -m benchmarks.servers.reference_server
"""

import sys

from tests.contract.reference.server import Reference


def main() -> None:
    """Serve an empty list until standard input ends; the caller fills the tables in SQL."""
    reference = Reference().start()
    print(reference.url, flush=True)
    sys.stdin.read()
    reference.stop()


if __name__ == "__main__":
    main()
