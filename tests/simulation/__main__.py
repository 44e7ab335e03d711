"""Set before settings are loaded: a database in memory, and nothing of a real installation."""

import os
import sys

import django

from tests import environment

os.environ["KLINGWEB_DATABASE_URL"] = "sqlite:///:memory:"
os.environ["KLINGWEB_REDIS_URL"] = ""
assert environment.DATA_DIR
django.setup()

from tests.simulation.run import main  # noqa: E402 - needs the settings

if __name__ == "__main__":
    sys.exit(main())
