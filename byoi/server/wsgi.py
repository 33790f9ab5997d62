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
_handler = inference_module.find(_settings.module(), _settings.code_directory())

app = create_app(
    _settings,
    handler=_handler,
    model=_handler.load(str(_settings.model_directory())),
    ready=Readiness(Path(os.environ["BYOI_STATE_DIR"])).ready_file.exists,
    behind_nginx=_settings.proxy != "off",
)
