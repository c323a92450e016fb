"""Create small real files that visitors and operators attach."""

from __future__ import annotations

import io
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw


@dataclass(frozen=True)
class DemoFile:
    name: str
    content_type: str
    content: bytes


def make_file(rng: Random, *, language: str, order: str) -> DemoFile:
    """Return a picture, a document, a text or a table."""
    czech = language in {"cs", "sk"}
    return rng.choice(
        [
            lambda: DemoFile("fotka.png" if czech else "photo.png", "image/png", _png(rng)),
            lambda: DemoFile(
                f"{'faktura' if czech else 'invoice'}-{order}.pdf",
                "application/pdf",
                _pdf(f"Order {order}"),
            ),
            lambda: DemoFile(
                "chyba.txt" if czech else "error.txt",
                "text/plain",
                f"Error 0x8007 in order {order}\n".encode(),
            ),
            lambda: DemoFile(
                "polozky.csv" if czech else "items.csv",
                "text/csv",
                f"order,item,pieces\n{order},lamp,2\n".encode(),
            ),
        ]
    )()


def _png(rng: Random) -> bytes:
    """Return a picture of colored boxes."""
    picture = Image.new("RGB", (320, 200), (rng.randrange(180, 250),) * 3)
    draw = ImageDraw.Draw(picture)
    for left in range(20, 280, 60):
        draw.rectangle(
            (left, rng.randrange(20, 120), left + 40, 180),
            fill=(rng.randrange(256), rng.randrange(120), 160),
        )
    stored = io.BytesIO()
    picture.save(stored, "PNG")
    return stored.getvalue()


def _pdf(title: str) -> bytes:
    """Return a PDF page with one line of text."""
    stream = f"BT /F1 24 Tf 72 720 Td ({title}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    written, places = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return written + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, len(written))
    )
