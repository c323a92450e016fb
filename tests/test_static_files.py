"""Test the scripts: modules without globals, named by their hash in production."""

import re
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import FileSystemStorage

from lib.static_files import ProductStaticFilesStorage

pytestmark = pytest.mark.any_database

STATIC = Path(settings.BASE_DIR, "static")
SCRIPTS = sorted(path for path in STATIC.rglob("*.js") if path.parent.name != "htmx")
TEMPLATES = [
    path
    for path in sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))
    if "<script" in path.read_text()
]
NAMES = {path.name for path in SCRIPTS}
#: Globals that a customer's site or the editor's package reads.
GLOBALS = {"widget.js": ["mluviiGdpr"], "consent-editor.js": ["gettext"]}
#: Classic scripts: before the first paint, on a customer's site, after a script of a package.
CLASSIC = {"theme.js", "widget.js", "documentation.js"}


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """Return a storage of our static files, processed as by ``collectstatic`` with DEBUG off."""
    folder = tmp_path_factory.mktemp("static")
    shutil.copytree(STATIC, folder, dirs_exist_ok=True)
    storage = ProductStaticFilesStorage(location=folder)
    source = FileSystemStorage(location=STATIC)
    names = [path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()]
    processed = storage.post_process({name: (source, name) for name in names})
    assert not [result for _name, _hashed, result in processed if isinstance(result, Exception)]
    return storage


def imports(text):
    return re.findall(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']""", text)


def test_a_module_imports_others_by_names_that_carry_their_hash(collected):
    folder = Path(collected.location)
    found = 0
    for script in SCRIPTS:
        hashed = folder / collected.stored_name(script.relative_to(STATIC).as_posix())
        for address in imports(hashed.read_text()):
            found += 1
            assert re.search(r"\.[0-9a-f]{12}\.js$", address), f"{script.name} imports {address}"
            assert (hashed.parent / address).is_file()
    assert found >= 6, "the control: there are imports"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_defines_no_global_that_others_read(path):
    named = re.findall(
        r"\b(?:window|globalThis|self)\.(\w+)\s*(?:\?\?|\|\|)?=(?![=>])", path.read_text()
    )

    assert named == GLOBALS.get(path.name, [])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_page_loads_our_scripts_as_modules(path):
    for tag, name in re.findall(
        r'(<script[^>]*\bsrc="{% static "(?:\w+/)*([\w.-]+)" %}[^>]*>)', path.read_text()
    ):
        if name in NAMES:
            assert ('type="module"' in tag) is (name not in CLASSIC), tag
