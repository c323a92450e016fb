"""The ASGI application of the event streams, in a process of its own: ``gunicorn --config gunicorn.events.py``.

Pages and everything that changes data stay on WSGI (``wsgi.py``), whose threads a stream would occupy.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mluvii_gdpr.settings")
django.setup(set_prefix=False)

from mluvii_gdpr.streams.application import Events  # noqa: E402  needs the apps

application = Events()
