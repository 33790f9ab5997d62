"""Details of a check for readers of its report: image, date, options and versions."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MB = 1_000_000


@dataclass(frozen=True)
class About:
    """Details of one check.

    Attributes:
        began: Start of the check, in UTC.
        version: Version of BYOI.
        options: The user's options, by name with hyphens; of variables only the names.
        engine: The container engine and its version, "" if none is used.
        image: Id, digests in registries, platform, size and date; empty if the subject is not an
            image.
    """

    began: dt.datetime
    version: str
    options: Mapping[str, str]
    engine: str = ""
    image: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """The details for a JSON document."""
        return {
            "date": self._date,
            "byoi": self.version,
            "engine": self.engine,
            "image": dict(self.image),
            "options": dict(self.options),
        }

    @property
    def rows(self) -> dict[str, str]:
        """The known details, as texts by name."""
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
    """Return what identifies an image: id, digests, platform, size and date.

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
