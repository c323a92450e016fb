"""Serve a foreign site. With 127.0.0.1 instead of localhost, it is another site for a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Site:
    """Pages by path, served with the site's policy. ``/probe`` sets a cookie and is for frames."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        #: The same server at another site. It is a third party on the pages of ``origin``.
        self.probe = f"http://localhost:{port}/probe"
        self.policy = ""
        self.pages: dict[str, str] = {}

    def page(self, path: str, body: str) -> str:
        """Add a page and return its URL."""
        start = '<!doctype html><html lang="en"><title>Shop</title><body>'
        self.pages[path] = f"{start}<main><h1>Shop</h1>{body}</main>"
        return f"{self.origin}{path}"


@contextmanager
def somebodys_site() -> Iterator[Site]:
    """Serve a site on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "" if self.path == "/probe" else site.pages.get(self.path)
            self.send_response(404 if body is None else 200)
            kind = "text/css" if self.path.endswith(".css") else "text/html; charset=utf-8"
            self.send_header("Content-Type", kind)
            if self.path == "/probe":
                self.send_header("Set-Cookie", "probe=1; SameSite=None; Secure")
            elif site.policy:
                self.send_header("Content-Security-Policy", site.policy)
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(server.server_address[1])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
