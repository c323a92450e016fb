"""What may stand in a public address: anything else is not found, before a database is asked."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class PublicIdConverter(StringConverter):
    regex = "[A-Za-z0-9_-]{1,32}"


class LanguageConverter(StringConverter):
    regex = "[a-z]{2}"


register_converter(PublicIdConverter, "public_id")
register_converter(LanguageConverter, "language")
