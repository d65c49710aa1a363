"""Passwords for servers: made up where the user names none."""
import secrets
import string

LENGTH = 12
_ALPHABET = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lI")


def make_up() -> str:
    """A password without characters that look alike."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
