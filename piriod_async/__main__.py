"""`python -m piriod_async`."""

import sys

from piriod_async.cli.main import main

sys.exit(main())
