"""URL converters for public URLs. Other values give 404 without a database query."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class PublicIdConverter(StringConverter):
    regex = "[A-Za-z0-9_-]{1,32}"


class LanguageConverter(StringConverter):
    regex = "[a-z]{2}"


register_converter(PublicIdConverter, "public_id")
register_converter(LanguageConverter, "language")
