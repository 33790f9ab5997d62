"""The scripts of `benchmarks/` are no package; their modules import one another by name."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
