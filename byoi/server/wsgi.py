"""The application of one worker with its model: the only module that does work on import.

gunicorn imports it in each worker, after the fork: TensorFlow and ONNX Runtime start threads,
which a fork does not copy.
"""

import logging
import os
from pathlib import Path

from byoi.server import inference_module, logs
from byoi.server.app import create_app
from byoi.server.readiness import Readiness
from byoi.server.settings import Settings

_settings = Settings.from_environ(os.environ)
logs.configure(_settings.log_level)
logging.captureWarnings(capture=True)
_state_dir = Path(os.environ["BYOI_STATE_DIR"])
_handler = inference_module.find(_settings.module(), _settings.code_directory())
_model = _handler.load(str(_settings.model_directory()))

app = create_app(
    _settings,
    handler=_handler,
    model=_model,
    ready=Readiness(_state_dir).ready_file.exists,
    behind_nginx=_settings.proxy != "off",
)
if _settings.page == "on":
    from byoi.server import page, page_routes, publication

    _folder = page.Folder(_state_dir)
    publication.publish(_folder, _settings, _handler, _model)
    if _settings.proxy == "off":
        page_routes.add(app, _settings, _folder)
