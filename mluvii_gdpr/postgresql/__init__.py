"""Django's PostgreSQL backend, which fails fast while the database is away. See ``base``."""
