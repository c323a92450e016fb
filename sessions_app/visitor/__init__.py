"""The visitor pages: entry form, room and "My consent"."""
