"""Static files in production: compressed, named by their content, and readable by every user."""

from __future__ import annotations

import os
from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class ProductStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Rewrite imports in JavaScript modules to the file names that contain a hash.

    The option ``support_js_module_import_aggregation`` is not used. It also rewrites
    ``import("…")`` in comments and bare names of an import map, and fails on files of packages. An
    import is recognized only in this form, on a separate line: ``import { follow } from
    "./stream.js";``
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
    """Make compressed files readable by every user.

    The files of whitenoise have the mode of the umask, which may prevent other users from reading
    them.
    """

    def write_data(self, *args: Any) -> str:
        filename: str = super().write_data(*args)
        os.chmod(filename, 0o644)
        return filename
