"""The application of one worker with its model: the only module that does work on import.

gunicorn imports it in each worker, after the fork: TensorFlow and ONNX Runtime start threads,
which a fork does not copy.
"""

import functools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byoi.server import execution_parameters, inference_module, logs, memory
from byoi.server.app import create_app
from byoi.server.handler import Answering
from byoi.server.readiness import Readiness
from byoi.server.sessions import Sessions
from byoi.server.settings import Settings

_settings = Settings.from_environ(os.environ)
logs.configure(
    _settings.log_level, folders=functools.partial(inference_module.folders_of, _settings)
)
logging.captureWarnings(capture=True)
_state_dir = Path(os.environ["BYOI_STATE_DIR"])
_find = functools.partial(
    inference_module.find,
    _settings.module(),
    _settings.code_directory(),
    is_installed=bool(_settings.install_requirements),
    batch_size=_settings.batch_size,
    is_batch=_settings.is_batch,
    has_record_errors=bool(_settings.record_errors),
)


def _nobody(_handler: Any, _model: Any) -> None:
    """Do nothing: there is no page."""


def _tell(handler: Any, model: Any) -> None:
    """Publish the execution parameters and the page; `handler` is None after a failed load."""
    if handler is not None:
        own = handler.execution_parameters
        if _settings.is_batch and not _settings.execution_parameters:
            execution_parameters.require_room(own, _settings.body_limit_bytes)
        execution_parameters.publish(_settings.execution_parameters or own, _state_dir)
    _told(handler, model)


def _parameters() -> str | None:
    """Return the answer to /execution-parameters, None for 404; used without nginx."""
    try:
        return execution_parameters.file(_state_dir).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


# The page and reloading are for development: a container does not import them.
_told: Callable[[Any, Any], None] = _nobody
if _settings.page == "on":
    from byoi.server import page_routes, publication

    _told = publication.publisher(_settings, _state_dir)
if _settings.reload == "on":
    from byoi.server.reloading import Reloading

    _handler: Answering = Reloading(_settings, _find, _tell)
    _model = None
else:
    _loaded = _find()
    logs.take_over_runtime_lines()
    _model = _loaded.load(str(_settings.model_directory()))
    _tell(_loaded, _model)
    _handler = _loaded

memory.give_back()

app = create_app(
    _settings,
    handler=_handler,
    model=_model,
    ready=Readiness(_state_dir).ready_file.exists,
    parameters=_parameters,
    behind_nginx=_settings.proxy != "off",
    sessions=Sessions(Readiness(_state_dir).sessions_dir),
)
logs.take_over_runtime_lines()  # model_fn may have imported ONNX Runtime
if _settings.page == "on":
    page_routes.add(app, _settings, _state_dir)
