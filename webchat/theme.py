"""The CSS of a WebChat's color, readable for every chosen color (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

WHITE, BLACK = "#ffffff", "#000000"
#: The surface of the visitor's dark page, ``--surface`` in static/visitor/visitor.css.
DARK_SURFACE = "#1d222b"
#: The contrast that WCAG requires between a part of the page that is not text and its surroundings.
PART_CONTRAST = 3

_CSS = """\
{root} {{ --accent: {light}; --on-accent: {on_light}; }}
@media (prefers-color-scheme: dark) {{
  {root} {{ --accent: {dark}; --on-accent: {on_dark}; }}
}}
"""


def theme_css(colour: str, *, root: str = ":root") -> str:
    """Return the CSS rules for the accent color and the text on it, for light and dark mode.

    Text is black or white, whichever has more contrast: at least 4.58 to 1 on any color. In dark
    mode the accent is made lighter until it has enough contrast to the page.
    """
    dark = stand_out(colour, DARK_SURFACE)
    return _CSS.format(
        root=root, light=colour, on_light=readable_on(colour), dark=dark, on_dark=readable_on(dark)
    )


def readable_on(colour: str) -> str:
    """Return black or white, whichever is easier to read on a color."""
    return max(WHITE, BLACK, key=lambda ink: contrast(ink, colour))


def stand_out(colour: str, surface: str) -> str:
    """Return the color mixed with the least white that gives enough contrast to a dark surface."""
    mixed = (_mix(colour, WHITE, percent) for percent in range(0, 101, 5))
    return next(candidate for candidate in mixed if contrast(candidate, surface) >= PART_CONTRAST)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _channels(colour: str) -> list[int]:
    return [int(colour[position : position + 2], 16) for position in (1, 3, 5)]


def _luminance(colour: str) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mix(colour: str, other: str, percent: int) -> str:
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * percent / 100):02x}" for a, b in pairs)
