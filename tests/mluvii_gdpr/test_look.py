"""Test the template tags of the look, and the style of templates."""

import datetime as dt
import re
from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from django.template import Context, Template, TemplateSyntaxError
from django.urls import reverse, set_script_prefix
from django.utils import timezone, translation

from lib.days import RoundedDay
from lib.look import icon_names, link_to
from mluvii_gdpr.templatetags.look import MENU

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))
STYLES = sorted(Path(settings.BASE_DIR, "static").rglob("*.css"))
#: Templates whose long lines cannot be broken. The first one shows parts of words.
ONE_LINE = {
    "webchat/parts/diff_lines.html",
    *(
        f"sessions_app/staff/{name}.html"
        for name in ["columns", "guest", "session_list", "session_rows", "table"]
    ),
}
#: consent-editor.css styles the HTML of a package.
OWN_STYLES = [path for path in STYLES if path.name not in {"tabler.min.css", "consent-editor.css"}]
#: A class that a template composes: alert-{{ message.level_tag }}
COMPOSED_CLASSES = {"alert-error"}


class PersonForm(forms.Form):
    email = forms.EmailField(help_text="Where the answer goes.")
    kind = forms.ChoiceField(widget=forms.RadioSelect, choices=[("a", "A"), ("b", "B")])
    agreed = forms.BooleanField()


def render(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


def test_an_unknown_icon_raises():
    with pytest.raises(TemplateSyntaxError, match="'unicorn' is not an icon"):
        render('{% icon "unicorn" %}')


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_names_only_icons_that_exist(path):
    named = re.findall(r'{% icon "([^"]+)"', path.read_text()) + re.findall(
        r'icon="([^"]+)"', path.read_text()
    )

    assert set(named) <= icon_names()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_inline_script_or_style(path):
    text = path.read_text()

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_a_style_sheet_loads_nothing_from_elsewhere(path):
    text = path.read_text()

    assert not re.search(r"""url\(\s*+["']?+(?!data:)""", text)
    assert "sourceMappingURL" not in text


def sources() -> str:
    """Return the source of all templates, scripts and Python modules of the product."""
    folders = [
        "templates",
        "static",
        *(app for app in settings.INSTALLED_APPS if (ROOT / app).is_dir()),
        "lib",
    ]
    paths = [path for folder in [*folders, "mluvii_gdpr"] for path in (ROOT / folder).rglob("*")]
    return "\n".join(path.read_text() for path in paths if path.suffix in {".html", ".js", ".py"})


def test_every_icon_is_used():
    text = sources()

    assert {name for name in icon_names() if not re.search(rf"""["']{name}["']""", text)} == set()


def test_lines_of_templates_are_short():
    """Long lines are hard to read. They are allowed where a line break would show as a blank."""
    long = {
        path.relative_to(ROOT / "templates").as_posix()
        for path in TEMPLATES
        if any(len(line) > 120 for line in path.read_text().splitlines())
    }

    assert long - ONE_LINE == set()


@pytest.mark.parametrize("path", OWN_STYLES, ids=lambda path: path.name)
def test_every_class_of_a_style_sheet_is_used(path):
    css = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    selectors = " ".join(re.findall(r"([^{}]*)\{", css))
    words = set(re.findall(r"[\w-]+", sources()))

    assert set(re.findall(r"\.([A-Za-z_][\w-]*)", selectors)) - words - COMPOSED_CLASSES == set()


@pytest.mark.parametrize("prefix", ["/", "/gdpr/"])
def test_a_link_to_a_row_leads_to_its_page(prefix):
    set_script_prefix(prefix)
    try:
        assert link_to("guest", 10) == f'<a href="{prefix}guests/10/">10</a>'
        assert link_to("guest", 207) == f'<a href="{prefix}guests/207/">207</a>'
    finally:
        set_script_prefix("/")


@pytest.mark.parametrize("entry", [entry for entries in MENU.values() for entry in entries])
def test_each_line_of_the_menu_leads_below_its_prefix(entry):
    assert reverse(entry.url_name).startswith(entry.prefix or "/")


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (dt.timedelta(seconds=5), "just now"),
        (dt.timedelta(hours=3, minutes=10), "3\xa0hours ago"),
        (-dt.timedelta(days=2, hours=1), "in 2\xa0days"),
    ],
)
def test_a_moment_is_relative_with_the_exact_time_as_title(ago, text):
    when = timezone.now() - ago

    html = render("{% moment when %}", when=when)

    assert f">{text}</time>" in html
    assert f'title="{timezone.localtime(when):%-d %b %Y, %H:%M %Z}"' in html


@pytest.mark.parametrize(
    ("language", "time", "day", "month", "week"),
    [
        ("en", "9 Mar 2026, 18:05 CET", "9 Mar 2026", "March 2026", "week of 9 Mar 2026"),
        ("cs", "9. 3. 2026 18:05 CET", "9. 3. 2026", "březen 2026", "týden od 9. 3. 2026"),
        ("de", "09.03.2026 18:05 CET", "09.03.2026", "März 2026", "Woche ab 09.03.2026"),
        ("sk", "9. 3. 2026 18:05 CET", "9. 3. 2026", "marec 2026", "týždeň od 9. 3. 2026"),
    ],
)
def test_times_are_written_as_the_reader_writes_them(language, time, day, month, week, settings):
    when = dt.datetime(2026, 3, 9, 17, 5, tzinfo=dt.UTC)
    known = RoundedDay(2026, 3, 9)
    with translation.override(language):
        assert f">{time}</time>" in render("{% moment when exact=True %}", when=when)
        assert f">{day}</time>" in render("{% moment day exact=True %}", day=dt.date(2026, 3, 9))
        for precision, text in (("month", month), ("week", week), ("day", day)):
            settings.ERASURE_TIME_PRECISION = precision
            for exact in (True, False):
                assert f">{text}</time>" in render(
                    "{% moment day exact=exact %}", day=known, exact=exact
                )


def test_a_moment_may_be_a_day_or_nothing():
    assert ">today</time>" in render("{% moment day %}", day=timezone.localdate())
    assert render("{% moment day %}", day=None) == "–"


def test_a_field_ties_its_errors_and_help_to_the_widget():
    html = render("{% field form.email %}", form=PersonForm({}))

    assert 'aria-describedby="id_email_helptext id_email_error"' in html
    assert 'aria-invalid="true"' in html
    assert 'id="id_email_helptext"' in html
    assert 'id="id_email_error"' in html
    assert 'class="form-control is-invalid"' in html


def test_a_group_of_radio_buttons_is_a_fieldset():
    html = render("{% field form.kind %}", form=PersonForm({}))

    assert '<fieldset class="mb-3" aria-describedby="id_kind_error">' in html
    assert html.count('class="form-check-input"') == 2
    assert "aria-invalid" not in html


def test_a_visitor_field_carries_no_class_of_the_staff_pages():
    html = render("{% visitor_field form.agreed %}", form=PersonForm({}))

    assert "form-check" not in html
    assert 'id="id_agreed_error"' in html
