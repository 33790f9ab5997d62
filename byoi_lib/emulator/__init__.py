"""AWS on this machine: moto's APIs, and behind its SageMaker the image, running.

* `running`: a context manager for tests and notebooks
"""

from byoi_lib.emulator.running import RunningEmulator, running

__all__ = ["RunningEmulator", "running"]
