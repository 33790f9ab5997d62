"""The server: nginx, gunicorn and Flask around the functions of an inference module.

* `serve`: run all of it in the foreground, as the container does
* `DEFAULT_MODULE`, `MODELS_MODULE`: the default inference modules, for this repository's model
  and for a single model file
* `Settings`: every variable an operator may set, read from an environment
* `InferenceModule`: the functions that the server calls in your module
* `create_app`: the Flask application alone, for tests
* `find_nginx`: the nginx that would be used, if there is one

Nothing here knows what the model does: the server gets a module's name and calls its functions.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi.server.app import create_app
    from byoi.server.inference_module import InferenceModule
    from byoi.server.locations import DEFAULT_MODULE, MODELS_MODULE
    from byoi.server.nginx import find_nginx
    from byoi.server.settings import Settings
    from byoi.server.supervisor import serve
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "DEFAULT_MODULE": "locations",
            "InferenceModule": "inference_module",
            "MODELS_MODULE": "locations",
            "Settings": "settings",
            "create_app": "app",
            "find_nginx": "nginx",
            "serve": "supervisor",
        },
    )

__all__ = [
    "DEFAULT_MODULE",
    "MODELS_MODULE",
    "InferenceModule",
    "Settings",
    "create_app",
    "find_nginx",
    "serve",
]
