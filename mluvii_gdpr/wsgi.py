"""The WSGI application that gunicorn serves."""

import os
from io import BytesIO
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mluvii_gdpr.settings")


class Utf8Request(WSGIRequest):
    """A request that is read as UTF-8, regardless of its Content-Type. Its body may be chunked.

    Django also decodes the URL with the charset of the Content-Type, which may be any codec of
    Python. With ``text/plain; charset=zlib`` it fails before there is a request that can be
    answered with 400.
    """

    def __init__(self, environ: dict[str, Any]) -> None:
        """Read a chunked body (RFC 9112 section 7.1) up to the size limit.

        Such a body has no length and would otherwise be treated as empty. .NET sends JSON in this
        way. A longer body gets a length above the limit, which then rejects it.
        """
        if environ.get("wsgi.input_terminated") and "CONTENT_LENGTH" not in environ:
            body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        super().__init__(environ)

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(
            meta.get("CONTENT_TYPE", "")
        )
        self.content_params.pop("charset", None)


class Utf8Handler(WSGIHandler):
    request_class = Utf8Request


django.setup(set_prefix=False)

from mluvii_gdpr.readiness import report_at_start  # noqa: E402  needs the apps

report_at_start()
application = Utf8Handler()
