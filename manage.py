#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mluvii_gdpr.settings")
    from mluvii_gdpr.command_line import run

    run(sys.argv)


if __name__ == "__main__":
    main()
