"""The form data of the consent editor."""

from typing import Any


def sent(
    act: str, *, based_on: int = 0, languages: tuple[str, ...] = ("en", "cs"), **changed: Any
) -> dict[str, Any]:
    """Return the fields of the editor with a text in each language, and the clicked button."""
    fields: dict[str, Any] = {"act": act, "based_on": based_on}
    for code in languages:
        fields[f"label_{code}"] = f"I agree with the new text ({code})"
        fields[f"body_{code}"] = f"<p>We process your data otherwise now ({code}).</p>"
    return fields | changed
