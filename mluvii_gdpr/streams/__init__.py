"""The event streams: admission, content and notification."""
