"""Hash the secrets of API clients."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class SecretHasher(PBKDF2PasswordHasher):
    """PBKDF2 with few iterations, for secrets of 64 random characters.

    Many iterations protect passwords that people choose. For random secrets they are useless, and
    every wrong secret would occupy the server for a quarter of a second.
    """

    algorithm = "pbkdf2_sha256_secret"
    iterations = 1000
