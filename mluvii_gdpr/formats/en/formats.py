"""English outside the United States too: no reader can mistake the month for the day."""

SHORT_DATE_FORMAT = "j M Y"
SHORT_DATETIME_FORMAT = "j M Y, H:i"
