"""Staff members for the demo, one for each role and a superuser."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User

PASSWORD = "demo-Praha-2026"  # noqa: S105  printed at every start; the command refuses to run in production
#: User name, role (a group; none for the superuser), first and last name.
STAFF: tuple[tuple[str, str, str, str], ...] = (
    ("administrator", "administrator", "Alena", "Malá"),
    ("support", "support", "David", "Kraus"),
    ("operator", "operator", "Petra", "Vlková"),
    ("operator2", "operator", "Simon", "Berger"),
    ("officer", "officer", "Monika", "Dolejší"),
    ("admin", "", "", ""),
)


def make_staff() -> dict[str, User]:
    """Create the staff members, one for each role, and a superuser, all with the demo's password."""
    password = make_password(PASSWORD)
    users: dict[str, User] = {}
    for username, role, first_name, last_name in STAFF:
        superuser = not role
        user = User.objects.create(
            username=username,
            email=f"{username}@example.com",
            password=password,
            first_name=first_name,
            last_name=last_name,
            is_staff=superuser,
            is_superuser=superuser,
        )
        if role:
            user.groups.add(Group.objects.get(name=role))
        users[username] = user
    return users
