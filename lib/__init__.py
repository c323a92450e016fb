"""Helpers without models, for every app. They do not import any app."""
