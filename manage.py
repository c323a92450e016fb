#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mluvii_gdpr.settings")
    from django.core.management import execute_from_command_line

    from mluvii_gdpr.environment import WrongEnvironment

    try:
        execute_from_command_line(sys.argv)
    except WrongEnvironment as wrong:
        sys.exit(f"manage.py does nothing: {wrong}")


if __name__ == "__main__":
    main()
