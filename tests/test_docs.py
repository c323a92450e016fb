"""Test that settings, commands, files, links and data map in the documents are complete."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import override

from anonymization.policy import KeptIfShared, Registry, registry
from anonymization.record_of_processing import BEGIN, END, MarkersMissing, as_markdown, put_into
from sessions_app.models import Attachment, Guest, Message
from tests.checkout import make_checkout, run

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# A name in the first cell of a table row. Several names are separated by commas.
TABLE_ROW = re.compile(r"^\| (`[A-Z][A-Z_]+`(?:, `[A-Z][A-Z_]+`)*) \|", re.MULTILINE)
READ = re.compile(r"""\b(?:variables\.\w+|required)\(\s*"([A-Z_]+)\"""")
PLACES = (
    "anonymization",
    "lib",
    "demo",
    "api",
    "bench",
    "bin",
    "docs",
    "mluvii_gdpr",
    "sessions_app",
    "static",
    "templates",
    "tests",
    "webchat",
)


def names_in_tables(document: str) -> set[str]:
    return {name for row in TABLE_ROW.findall(document) for name in re.findall(r"[A-Z_]+", row)}


def settings_read() -> set[str]:
    return set(READ.findall((ROOT / "mluvii_gdpr" / "settings.py").read_text()))


def scripts_variables() -> set[str]:
    return names_in_tables(CONFIGURATION.partition("## Variables of the scripts")[2])


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    assert len(settings_read()) > 25  # the pattern must find them
    assert names_in_tables(CONFIGURATION) - scripts_variables() == settings_read()


def test_variables_of_the_scripts_are_read_by_them() -> None:
    scripts = [
        *(ROOT / "bin").iterdir(),
        ROOT / "docs/screenshots/make.py",
        *(ROOT / "tests").rglob("conftest.py"),
    ]
    source = "".join(path.read_text() for path in scripts if path.is_file())
    assert [name for name in sorted(scripts_variables()) if name not in source] == []


def test_settings_of_the_readme_are_documented() -> None:
    assert names_in_tables((ROOT / "README.md").read_text()) <= settings_read()


def test_record_of_processing_is_that_of_the_registry() -> None:
    """If this fails: manage.py print_record_of_processing --into docs/erasure.md"""
    document = (ROOT / "docs" / "erasure.md").read_text()
    assert put_into(document, as_markdown(registry)) == document


def test_record_of_processing_names_every_field_once_a_model() -> None:
    sections = as_markdown(registry).split("### ")[1:]
    assert len(sections) == len(list(registry))
    for policy in registry:
        section = next(s for s in sections if f"(`{policy.label}`)" in s.partition("\n")[0])
        named = re.findall(
            r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))
        )
        assert sorted(named) == sorted(policy.fields), policy.label


def test_command_writes_between_the_markers_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"Before\n{BEGIN}\nstale\n{END}\nAfter\n")
    call_command("print_record_of_processing", "--into", str(path))
    written = path.read_text()
    assert written.startswith("Before\n")
    assert written.endswith("\nAfter\n")
    assert "stale" not in written
    assert "(`sessions_app.Session`)" in written
    call_command("print_record_of_processing")
    assert capsys.readouterr().out.strip() in written
    assert written == put_into(path.read_text(), as_markdown(registry))


def test_a_record_of_processing_says_what_happens_to_each_field_and_why() -> None:
    declared = Registry()
    declared.register(Message, delete=True)
    declared.register(Attachment, delete=True)
    declared.register(
        Guest, subject="", mark="anonymized_in", append_only=True,
        erase={"name": "", "created_at": Now(), "email": KeptIfShared(F("email")), "phone": ""},
        keep={"uid": "One|two\nthree.", "id": "Else.", "name_key": "Else."}, impersonal={"email_key": "A number."},
    )  # fmt: skip
    with override("cs"):
        sections = as_markdown(declared).split("### ")[1:]
    assert [section.partition(")")[0] for section in sections] == [
        "Guests (`sessions_app.Guest`", "Messages (`sessions_app.Message`", "Files (`sessions_app.Attachment`",
    ]  # fmt: skip
    assert sections[0].splitlines()[2:] == [
        "Rows are never changed or deleted; the database refuses it.",
        "",
        "| Field | What happens | Reason |",
        "|---|---|---|",
        "| `name`, `phone` | cleared | Identifies the person, directly or indirectly. |",
        "| `created_at` | rounded | Rounded or reset: too coarse to identify anyone. |",
        (
            "| `email` | kept if shared | Kept, rounded, if enough rows share the value; otherwise cleared. |"
        ),
        "| `uid` | kept | One\\|two three. |",
        "| `id`, `name_key` | kept | Else. |",
        "| `email_key` | kept, not personal | A number. |",
        (
            "| `anonymized_in` | kept | The period in which the row was anonymized. "
            "It is too coarse to link rows. |"
        ),
        "",
    ]
    assert "| deleted | The whole row is deleted. |" in sections[1]
    assert "| deleted | The whole row is deleted, including its stored file. |" in sections[2]


@pytest.mark.parametrize("document", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_document_without_its_markers_is_refused(document: str, tmp_path: Path) -> None:
    said = f"The document must hold {BEGIN} and {END} once each, in this order."
    with pytest.raises(MarkersMissing, match=f"^{said}$"):
        put_into(document, "new")
    path = tmp_path / "page.md"
    path.write_text(document)
    with pytest.raises(CommandError):
        call_command("print_record_of_processing", "--into", str(path))
    assert path.read_text() == document


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(path: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", path.read_text()))
    assert named - set(get_commands()) == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(path: Path) -> None:
    text = path.read_text()
    named = set(re.findall(rf"(?<![\w/.-])(?:\./)?((?:{'|'.join(PLACES)})/[\w./-]*\w)", text))
    named |= set(re.findall(r"`([\w.-]+\.(?:py|md|txt|toml))`", text)) - {
        "erasure.py",
        "models.py",
        "urls.py",
    }
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_named_functions_exist(name: str) -> None:
    """A name like `gate.start_session` is a module or class, and a name that it defines."""
    sources = [path for place in PLACES for path in (ROOT / place).rglob("*.py")]
    missing = []
    for owner, what in re.findall(r"`(?:\w+\.)*(\w+)\.(\w+)`", (ROOT / name).read_text()):
        if (
            what in {"py", "md", "com", "txt", "toml"} or (ROOT / owner).is_dir()
        ):  # a file, a host, or a permission of an app
            continue
        of_module = [path.read_text() for path in sources if path.stem == owner]
        of_class = [text for path in sources if f"class {owner}(" in (text := path.read_text())]
        if not re.search(
            rf"^ *(?:def|class) {what}\b", "\n".join(of_module or of_class), re.MULTILINE
        ):
            missing.append(f"{owner}.{what}")
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    assert [link for link in links if "://" not in link and not leads_somewhere(path, link)] == []


def leads_somewhere(path: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = path.parent / name if name else path
    return target.exists() and (not anchor or anchor in anchors(target.read_text()))


def anchors(document: str) -> set[str]:
    """Return the anchors that a code hosting site gives the headings."""
    headings = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def starts(command: str) -> set[tuple[int, int]]:
    """Return the hours and minutes at which the documented cron starts a command."""
    lines = re.findall(
        rf"^(\S+) (\S+) \* \* \S+ +cd .* manage\.py {command}\b", CONFIGURATION, re.MULTILINE
    )
    assert lines, command
    return {
        (h, m) for minute, hour in lines for h in of_cron(hour, 24) for m in of_cron(minute, 60)
    }


def of_cron(field: str, end: int) -> list[int]:
    return list(range(0, end, int(field[2:] or 1))) if field.startswith("*") else [int(field)]


def test_cron_never_starts_the_verifier_along_with_a_deletion_of_files() -> None:
    assert not starts("verify_erasure") & starts("delete_erased_files")


def production_example() -> str:
    block = re.search(r"^```sh\n(DEBUG=off\n.*?)^```", CONFIGURATION, re.MULTILINE | re.DOTALL)
    assert block, "docs/configuration.md has no production example"
    return block[1]


def with_own_keys(variables: str) -> str:
    return variables.replace("replace-me", "x7Kq-" * 5 + "Zr2_w" * 6).replace(
        "replace-this-too", "p4Lm_" * 5 + "Vb9-c" * 6
    )


def check_deploy(folder: Path, variables: str) -> subprocess.CompletedProcess[str]:
    app = make_checkout(folder / "app")
    (app / "var").mkdir(mode=0o700)
    ledger = folder / "ledger"
    ledger.mkdir(mode=0o700)
    assert "=/srv/ledger\n" in variables
    production = app / "var" / "production"
    production.write_text(variables.replace("/srv/ledger", str(ledger)))
    production.chmod(0o600)
    return run(app, "exec python manage.py check --deploy --fail-level WARNING")


def test_production_example_is_clean_with_a_key_of_ones_own(tmp_path: Path) -> None:
    checked = check_deploy(tmp_path, with_own_keys(production_example()))
    assert checked.returncode == 0, checked.stderr


def test_production_example_without_a_copy_of_the_ledger_is_warned(tmp_path: Path) -> None:
    variables = with_own_keys(production_example())
    checked = check_deploy(tmp_path, variables + "ERASURE_LEDGER_DIR=\n")
    assert checked.returncode == 1
    assert re.findall(r"mluvii_gdpr\.[EW]\d+", checked.stderr) == ["mluvii_gdpr.W022"]


def test_cron_verifies_the_ledger_each_day() -> None:
    lines = re.findall(r"^(.*) cd .* manage\.py verify_ledger\b", CONFIGURATION, re.MULTILINE)
    assert [line.split()[2:] for line in lines] == [["*", "*", "*"]]


def test_cron_anchors_the_evidence_each_day_before_it_is_verified() -> None:
    (anchored,), (verified,) = starts("anchor_evidence"), starts("verify_ledger")
    assert anchored < verified


def test_production_example_without_an_evidence_key_is_warned(tmp_path: Path) -> None:
    variables = with_own_keys(production_example())
    checked = check_deploy(tmp_path, re.sub("^EVIDENCE_KEY=.*\n", "", variables, flags=re.M))
    assert checked.returncode == 1
    assert re.findall(r"mluvii_gdpr\.[EW]\d+", checked.stderr) == ["mluvii_gdpr.W003"]


def test_production_example_does_not_start_as_it_is_printed(tmp_path: Path) -> None:
    checked = check_deploy(tmp_path, production_example())
    assert checked.returncode != 0
    assert "SECRET_KEY is too short" in checked.stderr


def test_pictures_are_small() -> None:
    pictures = sorted((ROOT / "docs" / "screenshots").glob("*.png"))
    assert pictures
    assert [p.name for p in pictures if p.stat().st_size >= 200_000] == []
