"""Czech dates with blanks and without zeros in front, as the norm for typewriting has them."""

SHORT_DATE_FORMAT = "j. n. Y"
SHORT_DATETIME_FORMAT = "j. n. Y H:i"
