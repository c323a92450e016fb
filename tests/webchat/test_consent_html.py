"""Test consent texts: sanitizing, lines, differences, the stored document, the editor."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webchat.consent_diff import DiffLine, DiffPart, runs_of
from webchat.consent_html import diff, readable, render_document, sanitise, sha256_hex, to_lines
from webchat.default_texts import DEFAULT_TEXTS

PIECES = [
    "<p>", "<h1>", "<h2>", "<h3>", "<strong>", "<b>", "<em>", "<u>", "<ul>", "<ol>", "<li>", "<br>",
    "<hr>", "<div>",
    "<blockquote>", "<table>", "<tr>", "<td>", "<pre>", "<span>", "<script>", "<!-- x -->", "</p>",
    "</h2>", "</b>",
    "</strong>", "</em>", "</u>", "</ul>", "</ol>", "</li>", "</blockquote>", "</div>", "</table>", "</a>",
    "</script>", '<a href="https://x.cz/?a=1&b=2">', "<a href=javascript:x>", "<a href=mailto:a@b.cz>",
    "<a href=/x>",
    " ", "\n\n", "\r\n", "\xa0", "&nbsp;", "&lt;p&gt;", "&amp;amp;", "<", "e\u0301", "\u2028",
]  # fmt: skip
storable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
markup = st.lists(st.sampled_from(PIECES) | st.text(storable, max_size=8)).map("".join)


@given(markup)
def test_sanitising_twice_is_sanitising_once(html: str) -> None:
    once = sanitise(html)

    assert sanitise(once) == once
    assert sanitise(readable(once)) == once


typed_by_hand = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters="<"
) | st.sampled_from(" \t\n\r")


@given(st.text(typed_by_hand))
def test_typed_text_keeps_every_letter(text: str) -> None:
    no_spaces = dict.fromkeys(map(ord, " \t\n\r\f"))

    assert "".join(to_lines(text)).translate(no_spaces) == text.translate(no_spaces)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("", ""),
        ("  \n ", ""),
        ("<p></p><ul><li></li></ul>", ""),
        ("One\r\ntwo\r\n\r\nthree", "<p>One<br>two</p><p>three</p>"),
        ("I <3 you, jan <jan@x.cz> & co", "<p>I &lt;3 you, jan &lt;jan@x.cz&gt; &amp; co</p>"),
        ("<p>One</p>\n\nTwo\n\nThree", "<p>One</p><p>Two</p><p>Three</p>"),
        ("<ul><li>x</li></ul>", "<ul><li><p>x</p></li></ul>"),
        ("<ul><li>x<ul><li>y</ul></ul>", "<ul><li><p>x</p><ul><li><p>y</p></li></ul></li></ul>"),
        ("<ul><li><ul><li>y</ul></ul>", "<ul><li><p></p><ul><li><p>y</p></li></ul></li></ul>"),
        (
            '<ol start="3" type="1" data-type="decimal"><li><p>x</p></li></ol>',
            "<ol><li><p>x</p></li></ol>",
        ),
        ("<b>x</b><i> y</i>", "<p><strong>x</strong><em> y</em></p>"),
        ("<u><strong>x</strong></u>", "<p><strong><u>x</u></strong></p>"),
        ("<h1>x</h1><h5>y</h5>", "<h2>x</h2><h3>y</h3>"),
        ("<p> a  b <br> c <br></p>", "<p>a b<br>c</p>"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "<p>a</p><p>b</p>"),
        ("<p>e\u0301 \u017e\xa0x</p>", "<p>e\u0301 \u017e&nbsp;x</p>"),
        ("<blockquote>x</blockquote><hr>", "<blockquote><p>x</p></blockquote><hr>"),
        (
            '<a href="https://x.cz" target="_blank" onclick="y()">x</a>',
            '<p><a href="https://x.cz">x</a></p>',
        ),
    ],
)
def test_canonical_spelling(typed: str, stored: str) -> None:
    assert sanitise(typed) == stored


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<p onclick='alert(1)'>x</p>",
        "<img src=x onerror=alert(1)>",
        "<a href=' java\nscript:alert(1)'>x</a>",
        "<a href='data:text/html,alert(1)'>x</a>",
        "<svg><style><img src=x onerror=alert(1)></style></svg>",
        "<math><mtext><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<p style='background:url(//x)'>x</p>",
        "<a href='//evil.example'>x</a><a href='https://a b'>y</a>",
    ],
)
def test_nothing_active_is_left(attack: str) -> None:
    assert sanitise(f"<p>kept</p>{attack}").startswith("<p>kept</p>")
    for word in ("alert(1)", "href", "style", "src"):
        assert word not in sanitise(attack)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "<p>\udfff</p>"])
def test_what_no_database_stores_is_refused_without_repeating_it(text: str) -> None:
    for function in (sanitise, to_lines):
        with pytest.raises(ValueError, match="cannot be stored") as refusal:
            function(text)
        assert text not in str(refusal.value)


def test_lines_are_what_a_reader_sees() -> None:
    html = (
        "<h2>Head</h2><p>one<br>two</p><ul><li>a<ol><li>b</li><li>c</li></ol></li></ul>"
        '<blockquote>q</blockquote><hr><p>See <a href="https://x.cz/y">this</a> or <a href="https://x.cz">x.cz</a>'
        ' or <a href="mailto:a@b.cz">a@b.cz</a></p>'
    )

    assert to_lines(html) == [
        "Head", "one", "two", "• a", "  1. b", "  2. c", "> q", "———",
        "See this (https://x.cz/y) or x.cz or a@b.cz",
    ]  # fmt: skip


# Differences --------------------------------------------------------------------------------------------


def test_no_difference() -> None:
    body = DEFAULT_TEXTS["cs"].body

    assert {line.kind for line in diff(body, body)} == {"equal"}


def test_difference_by_lines_and_words() -> None:
    old = "<p>Same</p><p>We keep your data for 30 days after the chat.</p><p>Gone for good</p>"
    new = "<p>Same</p><p>We keep your data for 14 calendar days after the chat.</p><p>Quite new here</p>"

    same, changed, *others = diff(old, new)

    assert same.kind == "equal"
    assert changed == (
        "changed",
        (
            DiffPart("equal", "We keep your data for "),
            DiffPart("removed", "30"),
            DiffPart("added", "14 calendar"),
            DiffPart("equal", " days after the chat."),
        ),
    )
    assert [(line.kind, line.parts[0].text) for line in others] == [
        ("removed", "Gone for good"),
        ("added", "Quite new here"),
    ]


@given(markup, markup)
def test_a_difference_holds_both_texts(old: str, new: str) -> None:
    lines = diff(old, new)

    for html, foreign in ((old, "added"), (new, "removed")):
        own = [line for line in lines if line.kind != foreign]
        assert [
            "".join(part.text for part in line.parts if part.kind != foreign) for line in own
        ] == to_lines(html)


@pytest.mark.parametrize(
    ("kinds", "runs"),
    [
        ("======+==-", "[=====]=+==-"),
        ("=====", "[=====]"),
        ("=", "="),
        ("+===+", "+===+"),  # a single line is not folded
        ("+====+", "+=[==]=+"),
        ("-+", "-+"),
        ("", ""),
    ],
)
def test_equal_lines_away_from_a_change_are_folded(kinds: str, runs: str) -> None:
    names = {"=": "equal", "+": "added", "-": "removed"}
    signs = {name: sign for sign, name in names.items()}
    lines = [DiffLine(names[sign], ()) for sign in kinds]

    written = [
        ("[%s]" if run.is_folded else "%s") % "".join(signs[line.kind] for line in run.lines)
        for run in runs_of(lines)
    ]

    assert "".join(written) == runs


def test_the_parts_of_a_difference_are_not_marked_safe() -> None:
    line = diff("", "&lt;b&gt;")[0]

    assert not hasattr(line.parts[0].text, "__html__")


LARGE = {
    "same short lines": ("<p>a</p>" * 12_500, "<p>b</p><p>a</p>" * 6_250),
    "same words": ("a b " * 25_000, "b a " * 25_000),
    "reversed lines": ("\n".join(map(str, range(17_000))), "\n".join(map(str, range(17_000, 0, -1)))),
    "every line changed": tuple("".join(f"<p>{n} x {word} z</p>" for n in range(5_000)) for word in "yw"),
    "marks never closed": ("<b>a" * 25_000, "<u>b</u>" * 12_500),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_texts_of_the_largest_size_are_compared_whole(name: str) -> None:
    """Without a limit, a comparison of these would take hours."""
    old, new = LARGE[name]

    lines = diff(old, new)

    assert sum(line.kind in {"equal", "changed", "removed"} for line in lines) == len(to_lines(old))
    assert sum(line.kind in {"equal", "changed", "added"} for line in lines) == len(to_lines(new))


def test_deep_nesting_is_flattened() -> None:
    html = sanitise("<blockquote>" * 3_000 + "x")

    assert html.count("<blockquote>") == 6
    assert sanitise(html) == html


# The kept document --------------------------------------------------------------------------------------


def _document(**changes: Any) -> str:
    arguments = {
        "webchat_name": "Shop <Prague> & co", "number": 3, "language": "cs",
        "label": 'Souhlasím <b>"ano"</b>', "body": "<p>Text &amp; <strong>tučně</strong></p>",
        "stylesheet_url": "/static/webchat/consent.css",
    }  # fmt: skip
    return render_document(**(arguments | changes))


def test_the_bytes_of_a_document_never_change(settings: Any) -> None:
    settings.LANGUAGE_CODE = "de"

    assert (
        sha256_hex(_document())
        == "7e3a0d33c5251582d41ee45256e6b30fe7a8286c55bf11f00b86a9ae6f42f71a"
    )


def test_a_document_is_complete_and_escaped() -> None:
    document = _document()

    assert document.startswith(
        '<!doctype html>\n<html lang="cs">\n<head>\n<meta charset="utf-8">\n'
    )
    assert "<title>Text souhlasu – Shop &lt;Prague&gt; &amp; co – Verze 3</title>" in document
    assert '<link rel="stylesheet" href="/static/webchat/consent.css">' in document
    assert "<p>Souhlasím &lt;b&gt;&quot;ano&quot;&lt;/b&gt;</p>" in document
    assert "<p>Text &amp; <strong>tučně</strong></p>" in document


def test_curly_brackets_in_a_text_are_only_text() -> None:
    assert "<p>{label} {0}</p>" in _document(body="<p>{label} {0}</p>")


@pytest.mark.parametrize(
    "changes",
    [
        {"body": "<p>x</p>\n"},
        {"body": "<script>x</script>"},
        {"language": "fr"},
        {"label": "a\0"},
        {"webchat_name": "\ud800"},
    ],
)
def test_a_document_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"stored|sanitised|language"):
        _document(**changes)


# The field and the editor -------------------------------------------------------------------------------
