"""The endpoint as its authors most likely wrote it (`tests/reference`), on the database of `REFERENCE_DATABASE`.

python -m benchmarks.framework
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.contract.reference.server import Reference


def main() -> None:
    """Serve an empty list until standard input ends; whoever fills it does so in SQL."""
    reference = Reference().start()
    print(reference.url, flush=True)
    sys.stdin.read()
    reference.stop()


if __name__ == "__main__":
    main()
