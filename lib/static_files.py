"""Static files in production: compressed, named by their content, and readable by every user of the machine."""

from __future__ import annotations

import os
from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class ProductStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Let a JavaScript module import other modules by the names that carry their hash, too.

    Not ``support_js_module_import_aggregation``: it also follows ``import("…")`` in comments and in
    bare names of an import map, and fails on files of packages.
    An import is recognized only in this form: ``import { follow } from "./stream.js";`` on its own line.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        (
            "*.js",
            (
                (
                    r"""(?m)^(?P<matched>import (?P<names>[^"';]*)"(?P<url>\.[^"]+)";)$""",
                    """import %(names)s"%(url)s";""",
                ),
            ),
        ),
    )

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return _ReadableCompressor(**kwargs)


class _ReadableCompressor(Compressor):
    """whitenoise's compressed files would have the mode of the umask, which closes them to other users."""

    def write_data(self, *args: Any) -> str:
        filename: str = super().write_data(*args)
        os.chmod(filename, 0o644)
        return filename
