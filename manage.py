#!/usr/bin/env python
"""Every command of klingweb starts here: `python manage.py help`."""

import os
import sys

from django.core.management import execute_from_command_line

from klingweb.env import EnvError


def main() -> None:
    """Run the command named on the command line; a variable that cannot be read ends it with one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klingweb.settings")
    try:
        execute_from_command_line(sys.argv)
    except EnvError as error:
        sys.exit(f"klingweb: {error}")


if __name__ == "__main__":
    main()
