"""A tag that tells whether mail is configured.

It is for templates without a context, for example the template of a field's help text.
"""

from django import template

from mluvii_gdpr.accounts import sends_mail

register = template.Library()
register.simple_tag(sends_mail)
