"""BYOI: bring your own inference to Amazon SageMaker. The tool, for any model.

* `server`: nginx, gunicorn and Flask around the functions of an inference module
* `formats`: request bodies to data, data to response bodies
* `model_data`: a model directory to model.tar.gz and back
* `training`: what a training job gets from the platform
* `local`: containers, processes and a registry on this machine
* `hosting`: endpoints through the SageMaker Python SDK, local mode included
* `deployment`: endpoints through boto3: checks, price, rollout, clean-up
* `emulator`: AWS on this machine, to rehearse a deployment
* `invocation`, `traffic`: call an endpoint, once or all the time
* `Registry`: what an image registry holds
* `errors`, `contract`, `extras`: every error, SageMaker's rules, the packages each step needs

The other part is `byoi_lib`, the library of this repository's model: the example of what one
brings. Nothing here imports it. Importing `byoi` imports none of these modules; each is
imported when it is first used.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi import (
        contract,
        deployment,
        emulator,
        errors,
        extras,
        formats,
        hosting,
        invocation,
        local,
        model_data,
        server,
        traffic,
        training,
    )
    from byoi.registry import Registry
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "Registry": "registry",
            "contract": "contract",
            "deployment": "deployment",
            "emulator": "emulator",
            "errors": "errors",
            "extras": "extras",
            "formats": "formats",
            "hosting": "hosting",
            "invocation": "invocation",
            "local": "local",
            "model_data": "model_data",
            "server": "server",
            "traffic": "traffic",
            "training": "training",
        },
    )

__all__ = [
    "Registry",
    "contract",
    "deployment",
    "emulator",
    "errors",
    "extras",
    "formats",
    "hosting",
    "invocation",
    "local",
    "model_data",
    "server",
    "traffic",
    "training",
]
