"""This machine: the container engine, processes, health and an image registry.

* `Engine`: the container engine: images, containers, logs
* `ProcessStack`: the server as processes, without an engine
* `LocalRegistry`: a temporary image registry on this machine
* `find_free_port`: a TCP port that nothing uses

This package uses neither AWS nor the SageMaker SDK. Containers and networks have a label with the
process that started them, so that a later process can remove what a killed one left behind.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi.local.docker import Engine
    from byoi.local.processes import ProcessStack, find_free_port
    from byoi.local.registry import LocalRegistry
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "Engine": "docker",
            "LocalRegistry": "registry",
            "ProcessStack": "processes",
            "find_free_port": "processes",
        },
    )

__all__ = [
    "Engine",
    "LocalRegistry",
    "ProcessStack",
    "find_free_port",
]
