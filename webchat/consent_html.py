"""Consent texts as HTML: sanitizing, plain lines, differences, and the document kept as evidence.

These are pure functions without database or request. ``sanitise`` returns one canonical form, the
same that the consent editor writes. Saving an unchanged text therefore gives the same bytes.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from itertools import groupby
from typing import Any, NamedTuple

import nh3

from webchat.consent_diff import DiffLine, diff_lines

#: Maximum lengths in characters for forms and publication. The functions here accept longer texts.
MAX_LABEL = 300
MAX_BODY = 100_000

# Lists and quotations nested deeper than this are flattened. They would be unreadable, and the
# limit bounds the recursion.
_MAX_LEVEL = 6
_MAX_OPEN_TAGS = 100

_MARKS = {"a": "a", "b": "strong", "strong": "strong", "em": "em", "i": "em", "u": "u"}
# The outermost mark comes first, in the order in which the editor nests them.
_MARK_ORDER = ("a", "strong", "em", "u")
_TEXT_BLOCKS = {"p": "p", "h1": "h2", "h2": "h2", "h3": "h3", "h4": "h3", "h5": "h3", "h6": "h3"}
_CONTAINERS = {"ul", "ol", "li", "blockquote"}
# These elements are never kept, but their boundaries separate paragraphs. Text pasted from other
# programs therefore stays readable.
_BOUNDARIES = {
    "address", "article", "aside", "caption", "center", "dd", "details", "dialog", "div", "dl", "dt",
    "fieldset",
    "figcaption", "figure", "footer", "form", "header", "hgroup", "legend", "main", "menu", "nav", "pre",
    "section",
    "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
}  # fmt: skip
_CLEANER = nh3.Cleaner(
    tags=_MARKS.keys() | _TEXT_BLOCKS.keys() | _CONTAINERS | _BOUNDARIES | {"br", "hr"},
    clean_content_tags={
        "script",
        "style",
        "title",
        "noscript",
        "template",
        "iframe",
        "object",
        "svg",
        "math",
        "select",
        "textarea",
    },
    attributes={"a": {"href"}},
    url_schemes={"http", "https", "mailto", "tel"},
    link_rel=None,
)
_SAFE_HREF = re.compile(r"(?:https?://|mailto:|tel:)[^\x00-\x20]+", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>|<!--", re.IGNORECASE)
# HTML collapses these characters. A no-break space is kept.
_SPACE = re.compile(r"[ \t\n\r\f]+")
_BLANK_LINE = re.compile(r"\n[ \t\f]*\n\s*")
_BREAK = "\n"

Marks = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DraftText:
    """A consent text in one language: the checkbox label (plain text) and the body (HTML)."""

    label: str
    body: str


def sanitise(html: str) -> str:
    """Return the canonical HTML of a consent text, limited to what the editor can write.

    Kept: ``p h2 h3 strong em u ul ol li br blockquote hr`` and ``a`` with an http(s), mailto or tel
    ``href``. Text without any tag is treated as plain text: a blank line separates paragraphs, and
    a line end remains a line end. Letters are kept as typed (no Unicode normalization). Spaces and
    line ends between words become one space, and empty paragraphs are removed.
    ``sanitise(sanitise(x)) == sanitise(x)``.

    Raises:
        ValueError: The text contains a NUL or a lone surrogate, which databases refuse.
    """
    return _write(_blocks_of(html))


def to_lines(html: str) -> list[str]:
    """Return the text as a reader sees it, one block per line.

    List items start with a bullet or their number. If the words of a link are not its URL, the URL
    follows in parentheses, so that a changed target is visible.
    """
    return list(_lines(_blocks_of(html)))


# Reading ------------------------------------------------------------------------------------------------


class _Run(NamedTuple):
    """Text, or one line break, with the marks that apply to it."""

    text: str
    marks: Marks


@dataclass
class _Node:
    """An element of the source, with any content, or of the canonical tree, with valid content."""

    kind: str
    items: list[Any] = field(default_factory=list)  # of _Node and _Run


def refuse_unstorable(text: str) -> str:
    """Return the text unchanged if a database can store it.

    Raises:
        ValueError: The text contains a NUL or a lone surrogate. The message does not repeat the
        text.
    """
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("The text contains a character that cannot be stored.")
    return text


def _blocks_of(html: str) -> list[_Node]:
    text = refuse_unstorable(html).replace("\r\n", "\n").replace("\r", "\n")
    if not _LOOKS_LIKE_HTML.search(text):
        text = "".join(
            f"<p>{escape(part).replace(_BREAK, '<br>')}</p>" for part in _BLANK_LINE.split(text)
        )
    reader = _Reader()
    reader.feed(_CLEANER.clean(text))
    reader.close()
    return list(_blocks(reader.root))


class _Reader(HTMLParser):
    """Build the tree from nh3's output, which is well-formed: every tag is closed, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = _Node("root")
        self.nodes = [self.root]
        self.marks: list[Marks] = [()]
        self.was_opened: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.nodes[-1].items.append(_Run(_BREAK, self.marks[-1]))
        elif tag == "hr":
            self.nodes[-1].items.append(_Node("hr"))
        elif tag in _MARKS:
            self._mark(_MARKS[tag], _safe_href(dict(attrs).get("href")) if tag == "a" else "")
        else:
            self._open(_TEXT_BLOCKS.get(tag, tag if tag in _CONTAINERS else "boundary"))

    def handle_endtag(self, tag: str) -> None:
        if tag in _MARKS:
            self.marks.pop()
        elif tag not in {"br", "hr"}:
            if self.was_opened.pop():
                self.nodes.pop()
            else:
                self.nodes[-1].items.append(_Node("boundary"))

    def handle_data(self, data: str) -> None:
        parts = _BLANK_LINE.split(data) if self.nodes[-1] is self.root else [data]
        for number, part in enumerate(parts):
            if number:
                self.root.items.append(_Node("boundary"))
            self.nodes[-1].items.append(_Run(_SPACE.sub(" ", part), self.marks[-1]))

    def _open(self, kind: str) -> None:
        node = _Node(kind)
        self.was_opened.append(len(self.nodes) < _MAX_OPEN_TAGS)
        if self.was_opened[-1]:
            self.nodes[-1].items.append(node)
            self.nodes.append(node)
        else:
            self.nodes[-1].items.append(_Node("boundary"))

    def _mark(self, tag: str, href: str) -> None:
        marks = dict(self.marks[-1])
        if tag != "a" or href:
            marks[tag] = href
        self.marks.append(tuple((name, marks[name]) for name in _MARK_ORDER if name in marks))


def _safe_href(href: str | None) -> str:
    href = (href or "").strip()
    return href if _SAFE_HREF.fullmatch(href) else ""


# The canonical tree -------------------------------------------------------------------------------------


def _blocks(node: _Node, kind: str = "p", level: int = 0) -> Iterator[_Node]:
    """Yield the canonical blocks inside a node. Text outside blocks becomes blocks of ``kind``."""
    for loose, group in groupby(node.items, lambda item: isinstance(item, _Run)):
        if loose:
            if runs := _tidy([item for item in group if isinstance(item, _Run)]):
                yield _Node(kind, [*runs])
            continue
        for child in group:
            yield from _block(child, kind, level)


def _block(node: _Node, kind: str, level: int) -> Iterator[_Node]:
    if node.kind == "hr":
        yield node
    elif node.kind in {"ul", "ol", "blockquote"} and level < _MAX_LEVEL:
        content = (
            _list_items(node, level + 1)
            if node.kind != "blockquote"
            else _blocks(node, "p", level + 1)
        )
        if items := list(content):
            yield _Node(node.kind, [*items])
    else:
        yield from _blocks(node, node.kind if node.kind in {"p", "h2", "h3"} else kind, level)


def _list_items(node: _Node, level: int) -> Iterator[_Node]:
    """Yield list items. Content between items is appended to the item before it."""
    items: list[_Node] = []
    for is_item, group in groupby(
        node.items, lambda item: isinstance(item, _Node) and item.kind == "li"
    ):
        if is_item:
            items += [
                _Node("li", [*_blocks(item, "p", level)])
                for item in group
                if isinstance(item, _Node)
            ]
        elif blocks := list(_blocks(_Node("li", list(group)), "p", level)):
            items = items or [_Node("li")]
            items[-1].items += blocks
    for item in items:
        if item.items:
            yield _led_by_paragraph(item)


def _led_by_paragraph(item: _Node) -> _Node:
    """Make a list item start with a paragraph, as the editor requires."""
    first = item.items[0]
    if first.kind in {"h2", "h3"}:
        first.kind = "p"
    elif first.kind != "p":
        item.items.insert(0, _Node("p"))
    return item


def _tidy(runs: Iterable[_Run]) -> list[_Run]:
    """Collapse spaces across marks, trim the ends, and merge runs with the same marks."""
    kept: list[_Run] = []
    for text, marks in runs:
        before = kept[-1].text[-1] if kept else _BREAK
        if text == _BREAK:
            _strip_end(kept, " ")
            text = text if kept else ""
        elif before in " \n":
            text = text.removeprefix(" ")
        if text:
            kept.append(_Run(text, marks))
    _strip_end(kept, " \n")
    joined = []
    for (marks, is_break), group in groupby(kept, lambda run: (run.marks, run.text == _BREAK)):
        if is_break:
            joined += list(group)
        else:
            joined.append(_Run("".join(run.text for run in group), marks))
    return joined


def _strip_end(runs: list[_Run], characters: str) -> None:
    while runs:
        text = runs[-1].text.rstrip(characters)
        if text:
            runs[-1] = runs[-1]._replace(text=text)
            return
        if runs[-1].text == _BREAK and _BREAK not in characters:
            return
        runs.pop()


# Writing ------------------------------------------------------------------------------------------------


def _write(items: Iterable[Any]) -> str:
    parts = []
    for node in items:
        if node.kind == "hr":
            parts.append("<hr>")
        else:
            inner = (
                _write_runs(node.items) if node.kind in {"p", "h2", "h3"} else _write(node.items)
            )
            parts.append(f"<{node.kind}>{inner}</{node.kind}>")
    return "".join(parts)


def _write_runs(runs: Iterable[Any]) -> str:
    parts: list[str] = []
    open_marks: Marks = ()
    for run in [*runs, _Run("", ())]:
        keep = 0
        while keep < min(len(open_marks), len(run.marks)) and open_marks[keep] == run.marks[keep]:
            keep += 1
        parts += [f"</{tag}>" for tag, _ in reversed(open_marks[keep:])]
        parts += [
            f'<{tag} href="{_escape(href)}">' if href else f"<{tag}>"
            for tag, href in run.marks[keep:]
        ]
        parts.append("<br>" if run.text == _BREAK else _escape(run.text, quote=False))
        open_marks = run.marks
    return "".join(parts)


def _escape(text: str, *, quote: bool = True) -> str:
    text = (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\xa0", "&nbsp;")
    )
    return text.replace('"', "&quot;") if quote else text


def readable(html: str) -> str:
    """Return a canonical body with line ends between its blocks, for editing as plain HTML.

    Spaces between blocks have no meaning: ``sanitise(readable(body)) == body``.
    """
    html = re.sub(
        r"(</(?:p|h2|h3|li|ul|ol|blockquote)>|<hr>|<(?:ul|ol|blockquote)>)", r"\1\n", html
    )
    html = re.sub(r"<li>(<p>[^\n]*</p>)\n</li>", r"<li>\1</li>", html)
    between_blocks = (
        r"(?<=>)(?<!<ul>|<ol>|/li>)(?<!<blockquote>)\n(?=<(?:p|h2|h3|ul|ol|blockquote|hr)>)"
    )
    return re.sub(between_blocks, "\n\n", html).strip()


# Lines and differences ----------------------------------------------------------------------------------


def _lines(blocks: Iterable[Any]) -> Iterator[str]:
    for block in blocks:
        if block.kind == "hr":
            yield "———"
        elif block.kind == "blockquote":
            yield from (f"> {line}" for line in _lines(block.items))
        elif block.kind in {"ul", "ol"}:
            for number, item in enumerate(block.items, 1):
                mark = "•" if block.kind == "ul" else f"{number}."
                for position, line in enumerate(_lines(item.items)):
                    yield f"  {line}" if position else f"{mark} {line}".rstrip()
        else:
            yield from _text(block).split(_BREAK)


def _text(block: _Node) -> str:
    parts = []
    for href, group in groupby(block.items, lambda run: dict(run.marks).get("a")):
        words = "".join(run.text for run in group)
        parts.append(words if href is None or words in _spellings(href) else f"{words} ({href})")
    return "".join(parts)


def _spellings(href: str) -> set[str]:
    """Return the texts that count as the URL of a link itself."""
    return {href, href.partition(":")[2], href.partition("://")[2].rstrip("/")}


def diff(old: str, new: str) -> list[DiffLine]:
    """Return the differences between two consent texts (HTML), by lines and by words.

    Formatting that plain lines do not show (bold, a heading's level) makes no difference here. To
    check whether two texts are equal, compare the bodies. The cost is bounded for bodies of up to
    ``MAX_BODY``.
    """
    return diff_lines(to_lines(old), to_lines(new))


# The document -------------------------------------------------------------------------------------------

# These words do not use gettext, because the bytes of a document must not depend on a catalog.
_WORDS = {
    "en": {
        "title": "Consent text",
        "notice": "Privacy notice",
        "version": "Version",
        "label": "Text beside the checkbox",
    },
    "cs": {
        "title": "Text souhlasu",
        "notice": "Informace o zpracování osobních údajů",
        "version": "Verze",
        "label": "Text u zaškrtávacího políčka",
    },
    "de": {
        "title": "Einwilligungstext",
        "notice": "Datenschutzhinweise",
        "version": "Version",
        "label": "Text neben dem Kontrollkästchen",
    },
    "sk": {
        "title": "Text súhlasu",
        "notice": "Informácie o spracúvaní osobných údajov",
        "version": "Verzia",
        "label": "Text pri začiarkavacom políčku",
    },
}

_DOCUMENT = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – {webchat_name} – {version} {number}</title>
<link rel="stylesheet" href="{stylesheet_url}">
</head>
<body>
<main>
<header>
<p class="webchat">{webchat_name}</p>
<h1>{title}</h1>
<p class="version">{version} {number}</p>
</header>
{label_section}<article>
{body}
</article>
</main>
</body>
</html>
"""


_LABEL_SECTION = """\
<section class="label">
<h2>{words}</h2>
<p>{label}</p>
</section>
"""


def render_document(
    *, webchat_name: str, number: int, language: str, label: str, body: str, stylesheet_url: str
) -> str:
    """Return the HTML document of a text, to be stored at publication and served unchanged.

    A text without a label is a privacy notice.

    The same arguments always give the same bytes. Their SHA-256 is the evidence. ``stylesheet_url``
    is part of the document, so it must be a permanent URL (no content hash in the file name).

    Raises:
        ValueError: The body is not canonical (see ``sanitise``), the language is not one of the
            four, or a text contains a character that cannot be stored.
    """
    if language not in _WORDS:
        raise ValueError("There is no consent document in this language.")
    if sanitise(body) != body:
        raise ValueError("The body of a consent document must be sanitised before.")
    words = _WORDS[language]
    return _DOCUMENT.format(
        language=language,
        title=words["title" if label else "notice"],
        version=words["version"],
        label_section=_LABEL_SECTION.format(
            words=words["label"], label=escape(refuse_unstorable(label))
        )
        if label
        else "",
        number=int(number),
        webchat_name=escape(refuse_unstorable(webchat_name)),
        stylesheet_url=escape(refuse_unstorable(stylesheet_url)),
        body=body,
    )


def sha256_hex(document: str) -> str:
    """Return the SHA-256 of a document's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(document.encode()).hexdigest()
