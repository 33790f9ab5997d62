"""The one login of an emulator's registry: random each start, known to it and to `docker login`.

Sources: ECR User Guide, registry_auth.html (the user is called AWS); distribution.github.io,
about/configuration (`htpasswd` takes bcrypt alone); crypt(5) of libxcrypt (its form `$2b$`).
"""

import ctypes
import secrets
from pathlib import Path

from byoi import errors
from byoi.registry import Login

USER = "AWS"
# File, in an emulator's folder, with the registry's host:port.
_ADDRESS_FILE = "registry-address"
# The C library's companion; Debian has it wherever it has users with passwords.
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")
# bcrypt's own alphabet, and the last letters that 16 bytes can end in.
_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ENDS = ".Oeu"
# The lowest cost: nobody guesses 32 random bytes, and each request to the registry pays it.
_PREFIX = "$2b$04$"


class RegistryLogin:
    """User and password of one registry.

    Attributes:
        login: What its clients send.
    """

    def __init__(self) -> None:
        self.login = Login(USER, secrets.token_urlsafe(32))

    @property
    def token(self) -> str:
        """`user:password` in base 64, as GetAuthorizationToken gives it."""
        return self.login.basic.removeprefix("Basic ")

    @property
    def credentials(self) -> dict[str, str]:
        """User and password as the container engine takes them for a pull."""
        return {"username": self.login.user, "password": self.login.password}

    def htpasswd(self) -> str:
        """Return the line that lets a registry check it.

        Raises:
            MissingProgramError: This machine has no bcrypt.
        """
        return f"{USER}:{_bcrypt(self.login.password)}"


def write_address(folder: Path, address: str) -> None:
    """Note the registry in an emulator's folder, for whoever clears up after a killed emulator.

    Args:
        folder: The emulator's folder.
        address: The registry's host:port.
    """
    (folder / _ADDRESS_FILE).write_text(address, encoding="utf-8")


def read_address(folder: Path) -> str:
    """Return the registry that `write_address` noted, "" if the emulator had none."""
    try:
        return (folder / _ADDRESS_FILE).read_text(encoding="utf-8")
    except OSError:
        return ""


def _bcrypt(password: str) -> str:
    letters = [secrets.choice(_ALPHABET) for _ in range(21)]
    setting = f"{_PREFIX}{''.join(letters)}{secrets.choice(_ENDS)}"
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.crypt.restype = ctypes.c_char_p
        library.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
        digest = (library.crypt(password.encode(), setting.encode()) or b"").decode()
        if digest.startswith(_PREFIX):
            return digest
    raise errors.MissingProgramError(
        f"a registry with a login needs bcrypt from one of {', '.join(_LIBRARIES)}, which this "
        "machine lacks; install Debian's package libcrypt1"
    )
