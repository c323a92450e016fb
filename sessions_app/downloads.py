"""How a stored file is handed out."""

from __future__ import annotations

import logging

from django.http import FileResponse, Http404

from sessions_app.models import Attachment

logger = logging.getLogger(__name__)


def file_response(attachment: Attachment) -> FileResponse:
    """Return the file as a download that no browser opens as a page of ours.

    Raises:
        Http404: the stored object is missing or can't be read.
    """
    try:
        stored = attachment.file.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    except OSError:
        logger.exception("a stored file could not be read")
        raise Http404 from None
    response = FileResponse(
        stored, as_attachment=True, filename=attachment.original_name, content_type=attachment.content_type
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response
