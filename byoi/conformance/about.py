"""What was checked, when, with which options and by what: for those who only get the report."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MB = 1_000_000


@dataclass(frozen=True)
class About:
    """Of one check.

    Attributes:
        began: When it did, in UTC.
        version: Of BYOI.
        options: Those that the user gave, by their name with its hyphens; of a variable its name.
        engine: The container engine and its version, "" where none is used.
        image: Its id, the digests that registries have it under, platform, size and date; empty
            where no image is checked.
    """

    began: dt.datetime
    version: str
    options: Mapping[str, str]
    engine: str = ""
    image: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """All of it, as it stands in a document of JSON."""
        return {
            "date": self._date,
            "byoi": self.version,
            "engine": self.engine,
            "image": dict(self.image),
            "options": dict(self.options),
        }

    @property
    def rows(self) -> dict[str, str]:
        """All of it that is known, as texts by their names."""
        given = " ".join(f"{name} {value}".strip() for name, value in self.options.items())
        rows = {
            **{f"image {name}": value for name, value in self.image.items()},
            "date": self._date,
            "options": given or "none",
            "BYOI": self.version,
            "engine": self.engine,
        }
        return {name: value for name, value in rows.items() if value}

    @property
    def _date(self) -> str:
        return self.began.astimezone(dt.UTC).isoformat(timespec="seconds")


def of_image(described: Mapping[str, Any]) -> dict[str, str]:
    """Return what tells an image from others of its name.

    Args:
        described: The image, as `docker inspect` shows it.
    """
    digests = described.get("RepoDigests") or ()
    parts = (described.get(name) for name in ("Os", "Architecture", "Variant"))
    return {
        "id": str(described.get("Id") or ""),
        "digest": ", ".join(map(str, digests)) or "none: it was not pushed, nor pulled",
        "platform": "/".join(str(part) for part in parts if part),
        "size": f"{int(described.get('Size') or 0) / _MB:,.0f} MB",
        "made": str(described.get("Created") or ""),
    }
