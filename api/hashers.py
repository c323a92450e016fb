"""How secrets of API clients are stored."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class SecretHasher(PBKDF2PasswordHasher):
    """PBKDF2 in a few rounds, for secrets of 64 random characters.

    Many rounds protect what people choose. Here they would protect nothing, and let anybody keep the server busy for
    a quarter of a second with each wrong secret.
    """

    algorithm = "pbkdf2_sha256_secret"
    iterations = 1000
