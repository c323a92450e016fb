"""The ASGI application of the event streams: ``gunicorn --config gunicorn.events.py``.

It runs in a separate process. Pages and all requests that change data use WSGI (``wsgi.py``); an
event stream would occupy one of its threads.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mluvii_gdpr.settings")
django.setup(set_prefix=False)

from mluvii_gdpr.streams.application import Events  # noqa: E402  needs the apps

application = Events()
