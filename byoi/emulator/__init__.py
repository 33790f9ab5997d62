"""AWS on this machine: moto's APIs, and behind its SageMaker the image, running.

* `running`, `RunningEmulator`: an emulator for as long as a context lasts, for tests
* `rehearse`, `Rehearsal`: the same notebook with an emulator or on AWS

Either runs in a process of its own and sets the variables that point boto3 and the SDK to it.
`byoi emulator` and `byoi emulator run -- COMMAND` do the same on the command line.
What is emulated, what is refused and what differs from AWS: docs/emulator.md.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi.emulator.process.rehearsal import Rehearsal, rehearse
    from byoi.emulator.process.running import RunningEmulator, running
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "Rehearsal": "process.rehearsal",
            "RunningEmulator": "process.running",
            "rehearse": "process.rehearsal",
            "running": "process.running",
        },
    )

__all__ = [
    "Rehearsal",
    "RunningEmulator",
    "rehearse",
    "running",
]
