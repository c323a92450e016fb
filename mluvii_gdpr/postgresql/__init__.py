"""Django's PostgreSQL backend, which fails fast while the database is unavailable. See ``base``."""
