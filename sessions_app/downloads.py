"""How a stored file is handed out."""

from __future__ import annotations

from django.http import FileResponse, Http404

from sessions_app.models import Attachment


def file_response(attachment: Attachment) -> FileResponse:
    """Return the file as a download that no browser opens as a page of ours.

    Raises:
        Http404: the stored object is gone.
    """
    try:
        stored = attachment.file.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    response = FileResponse(
        stored, as_attachment=True, filename=attachment.original_name, content_type=attachment.content_type
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response
