"""English date formats that are clear outside the United States too: the month is a word."""

SHORT_DATE_FORMAT = "j M Y"
SHORT_DATETIME_FORMAT = "j M Y, H:i"
