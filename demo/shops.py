"""The demo's three WebChats, and the browsers, pages and campaigns of their visitors."""
# ruff: noqa: E501  names of browsers are long

from dataclasses import dataclass

from sessions_app.models import Channel
from webchat.models import EntryForm


@dataclass(frozen=True)
class Shop:
    """The demo data of one WebChat: its settings, share of sessions and publication days."""

    theme: str
    share: int
    channels: dict[str, int]
    settings: dict[str, object]
    #: The publication days of versions 1, 2 and 3, in days before today.
    published: tuple[int, ...] = ()
    #: The publication day of the privacy notice, in days before today. 0 for no notice.
    notice_published: int = 0
    officer: str = ""


SHOPS = (
    Shop(
        theme="shop",
        share=55,
        channels={Channel.CHAT: 85, Channel.AV: 15},
        published=(104, 61, 18),
        officer="privacy@shop-prague.example.cz",
        settings={
            "name": "Shop Prague",
            "public_id": "shop-prague",
            "site": "https://shop-prague.example.cz\nhttps://www.example.cz",
            "entry_form": EntryForm.GDPR,
            "showroom_form": EntryForm.GDPR,
            "languages": ["en", "cs", "de", "sk"],
            "default_language": "cs",
            "retention_days": 180,
        },
    ),
    Shop(
        theme="helpdesk",
        share=27,
        notice_published=104,
        channels={Channel.CHAT: 88, Channel.PHONE: 12},
        settings={
            "name": "Helpdesk Brno",
            "public_id": "helpdesk-brno",
            "site": "https://helpdesk.example.cz",
            "entry_form": EntryForm.STANDARD,
            "showroom_form": EntryForm.NONE,
            "languages": ["en", "cs"],
            "default_language": "cs",
            "colour": "#2b6a3f",
        },
    ),
    Shop(
        theme="showroom",
        share=18,
        channels={Channel.AV: 100},
        published=(97, 75, 33),
        officer="datenschutz@showroom-vienna.example.at",
        settings={
            "name": "Showroom Vienna",
            "public_id": "showroom-vienna",
            "site": "https://showroom-vienna.example.at",
            "entry_form": EntryForm.GDPR,
            "showroom_form": EntryForm.GDPR,
            "languages": ["en", "cs", "de"],
            "default_language": "de",
            "phone_region": "AT",
            "colour": "#8a3b12",
            "retention_days": 180,
        },
    ),
)

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6"
    " Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
)
PAGES = ("", "catalogue/lamps", "catalogue/tables", "help/returns", "help/delivery", "contact")
REFERRERS = (
    "",
    "",
    "https://www.example.com/search",
    "https://news.example.org/",
    "https://compare.example.net/",
)
CAMPAIGNS = ("autumn", "newsletter", "spring-sale")
