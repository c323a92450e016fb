"""The visitor's wing: entry form, room and "my consent"."""
