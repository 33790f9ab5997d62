"""Names that follow from content: the same thing has the same name, another one never meets it.

Source of their form: API CreateEndpoint, CreateEndpointConfig and CreateModel.
"""

import hashlib
import json
import re
from typing import Any

from byoi_lib import errors

# All names begin so; with the tags it is how our things are found among others.
PREFIX = "byoi-"
_CHARACTERS = 63
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_DIGEST_CHARACTERS = 12


def derive(stem: str, content: Any) -> str:
    """Return a name that SageMaker takes, which stands for `content`.

    Args:
        stem: What a reader knows it by; shortened where need be.
        content: Anything JSON can write.
    """
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_DIGEST_CHARACTERS]
    start = stem if stem.startswith(PREFIX) else PREFIX + stem
    start = re.sub(r"[^a-zA-Z0-9]+", "-", start)
    return f"{start[: _CHARACTERS - _DIGEST_CHARACTERS - 1].rstrip('-')}-{digest}"


def check(name: str) -> str:
    """Return an endpoint's name, where SageMaker would take it.

    Raises:
        ConfigurationError: It would not.
    """
    if not _NAME.fullmatch(name):
        raise errors.ConfigurationError(
            f"endpoint name {name!r}: SageMaker takes 1 to {_CHARACTERS} letters, digits and "
            "hyphens, the first and last no hyphen"
        )
    return name
