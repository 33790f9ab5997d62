"""The one login of an emulator's registry: random each start, known to it and to `docker login`.

Sources: ECR User Guide, registry_auth.html (the user is called AWS); distribution.github.io,
about/configuration (`htpasswd` takes bcrypt alone); crypt(5) of libxcrypt (its form `$2b$`).
"""

import base64
import ctypes
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from byoi import errors

USER = "AWS"
# Directory, in an emulator's, that holds the login for docker.
DOCKER_CONFIG = "docker"
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
        token: `user:password` in base 64, as GetAuthorizationToken gives it.
    """

    def __init__(self) -> None:
        self._password = secrets.token_urlsafe(32)
        self.token = base64.b64encode(f"{USER}:{self._password}".encode()).decode()

    @property
    def authorization(self) -> str:
        """The header's value of a request to the registry."""
        return f"Basic {self.token}"

    def htpasswd(self) -> str:
        """Return the line that lets a registry check it.

        Raises:
            MissingProgramError: This machine has no bcrypt.
        """
        return f"{USER}:{_bcrypt(self._password)}"

    def write_docker_config(self, folder: Path, address: str, environ: Mapping[str, str]) -> None:
        """Write a configuration directory for docker, which holds this login alone.

        Args:
            folder: A directory that does not exist yet.
            address: The registry's host:port.
            environ: Leads to the user's own configuration, whose engine is taken over.
        """
        own = docker_config(environ)
        content: dict[str, object] = {"auths": {address: {"auth": self.token}}}
        context = read_config(own).get("currentContext")
        if context:
            content["currentContext"] = context
        folder.mkdir(mode=0o700)
        if (own / "contexts").is_dir():
            (folder / "contexts").symlink_to(own / "contexts")
        file = folder / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(content), encoding="utf-8")


def addresses(folder: Path) -> list[str]:
    """Return the registries that a configuration directory of docker has logins for."""
    found = read_config(folder).get("auths")
    return list(found) if isinstance(found, dict) else []


def docker_config(environ: Mapping[str, str]) -> Path:
    """Return the directory of docker's own configuration in an environment."""
    if configured := environ.get("DOCKER_CONFIG"):
        return Path(configured)
    return Path(environ.get("HOME") or Path.home()) / ".docker"


def read_config(folder: Path) -> dict[str, object]:
    """Return the content of docker's config.json, empty where there is none to be read."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


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
