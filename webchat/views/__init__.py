"""The Settings pages, and the public resources of a WebChat: consent texts, colors, logo."""
