"""Slovak dates with spaces and without leading zeros, as the typewriting standard requires."""

SHORT_DATE_FORMAT = "j. n. Y"
SHORT_DATETIME_FORMAT = "j. n. Y H:i"
