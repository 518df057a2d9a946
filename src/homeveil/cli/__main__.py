"""``python -m homeveil.cli``."""

import sys

from homeveil.cli import main

sys.exit(main())
