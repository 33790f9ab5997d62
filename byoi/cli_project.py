"""The verbs of `byoi` for the files of a model: `pack`.

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
from pathlib import Path
from typing import Any


def add_verbs(verbs: Any) -> None:
    """Add the verbs to argparse's subparsers."""
    pack = verbs.add_parser("pack", help="pack a model directory into model.tar.gz")
    pack.add_argument("model_dir", type=Path, metavar="DIR", help="model directory")
    pack.add_argument("archive", type=Path, metavar="FILE.tar.gz", help="archive to write")
    pack.set_defaults(run=_pack)


def _pack(options: argparse.Namespace) -> None:
    from byoi import model_data

    packed = model_data.pack(options.model_dir, options.archive, needs_manifest=False)
    print(f"{packed.path}\nsha256 {packed.sha256}\n{packed.size_bytes:,} bytes")
    if not packed.has_manifest:
        print(f"no manifest.json: packed all {len(packed.names)} files")
