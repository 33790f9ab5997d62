"""AWS on this machine: moto's APIs, and behind its SageMaker the image, running.

* `running`: a context manager for tests
* `rehearse`: for notebooks, whose cells are the same here and on AWS
"""

from byoi.emulator.process.rehearsal import Rehearsal, rehearse
from byoi.emulator.process.running import RunningEmulator, running

__all__ = ["Rehearsal", "RunningEmulator", "rehearse", "running"]
