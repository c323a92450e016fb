"""Create an API client and print its client ID and client secret.

    manage.py create_api_client "CRM nightly sync" --right read_sessions [--right …] [--json]

The secret is printed only once and cannot be read again.

Exit codes:

- 0: created
- 1: refused; nothing was changed
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from api import services
from api.forms import ClientForm
from api.models import Right
from lib.commands import MigratedCommand


class Command(MigratedCommand):
    help = "Create an API client and print its client ID and client secret."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The name of the program or partner, not of a person.")
        parser.add_argument(
            "--right",
            action="append",
            default=[],
            choices=Right.values,
            dest="rights",
            help="May be repeated.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        form = ClientForm({"name": options["name"], "rights": options["rights"]})
        if not form.is_valid():
            raise CommandError(
                " ".join(str(error) for errors in form.errors.values() for error in errors)
            )
        client, secret = services.create_client(**form.cleaned_data, created_by=None)
        result = {"client_id": client.client_id, "client_secret": secret, "rights": client.rights}
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self.stdout.write(f"client_id      {client.client_id}\nclient_secret  {secret}")
            self.stdout.write("The client secret is shown only once.")
