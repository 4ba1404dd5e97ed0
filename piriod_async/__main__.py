"""`python -m piriod_async`."""

import sys

from piriod_async.cli import main

sys.exit(main())
