"""Collected static files, compressed, which every user of the machine may read."""

from __future__ import annotations

import os
from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class ReadableStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """As whitenoise's. Its compressed files would have the mode of the umask, which closes them to other users."""

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return _ReadableCompressor(**kwargs)


class _ReadableCompressor(Compressor):
    def write_data(self, *args: Any) -> str:
        filename: str = super().write_data(*args)
        os.chmod(filename, 0o644)
        return filename
