"""Helpers without models, for every app. Nothing here imports an app."""
