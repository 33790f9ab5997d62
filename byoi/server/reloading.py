"""`byoi serve --reload`: always serve the latest saved version of an inference module.

A thread checks the files a few times a second. Each request checks them again before it is
answered, so that it gets the code that was saved before it was sent. An error while loading the
code is logged once; requests then get 503 with the error until it is fixed. It never ends the
server.
"""

import importlib
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from byoi import errors
from byoi.server import inference_module, tracebacks, watched
from byoi.server.context import Context
from byoi.server.handler import Handler, Output
from byoi.server.settings import Settings
from byoi.server.source import Source

LOOK_S = 0.3
# How far the clock of a file system may be behind.
_CLOCK_NS = 20_000_000

_log = logging.getLogger(__name__)


class Reloading:
    """Takes the place of a `Handler` and its model, and reloads them if necessary.

    Args:
        settings: Have the names of the module and the model directory.
        find: Imports the module and returns its functions.
        told: Called after each load with the functions and the model; after a failure with None
            and the error's text.

    Attributes:
        threads: As `Handler.threads` of the code that was loaded first.
        has_ping: True: the next version of the code may have a `ping_fn`.

    Raises:
        ConfigurationError: `BYOI_PRELOAD` has one of the user's own modules.
    """

    def __init__(
        self,
        settings: Settings,
        find: Callable[[], Handler],
        told: Callable[[Handler | None, Any], None],
    ) -> None:
        self._settings = settings
        self._find = find
        self._told = told
        self._seen_folders: dict[Path, None] = {}
        self._refuse_preloaded()
        self._lock = threading.Lock()
        self._before = set(sys.modules)  # modules of the server and its libraries: not reloaded
        self._handler: Handler | None = None
        self._model: Any = None
        self._source: Source | None = None
        self._failure: BaseException | None = None
        self._failed_files: list[str] = []
        self._started_ns = time.time_ns()
        # Python compares bytecode with its source by size and time in seconds. A file saved twice
        # in a second may be equal in both, and the old bytecode would be used.
        sys.dont_write_bytecode = True
        self._sample = self._sample_stamps()
        self._code, self._data = self._look()
        self._load()
        self.threads = self._handler.threads if self._handler else 1
        self.batch_size = 1  # the code may change between two requests
        self.has_ping = True
        threading.Thread(target=self._watch, daemon=True, name="reload").start()

    def _refuse_preloaded(self) -> None:
        names = filter(None, self._settings.preload.split(","))
        if found := watched.modules_below(self._folders(), without=()).keys() & set(names):
            raise errors.ConfigurationError(
                f"BYOI_PRELOAD names {', '.join(sorted(found))}, which BYOI_RELOAD=on could not "
                "load again; leave your own modules out of BYOI_PRELOAD while you change them"
            )

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_S)
            with self._lock:
                self._refresh()

    def ping(self, _model: Any) -> Any:
        """Return the result of the current code's `ping_fn`; True if no code is loaded."""
        with self._lock:
            handler, model = self._handler, self._model
        return True if handler is None else handler.ping(model)

    def answer(
        self, _model: Any, body: bytes, content_type: str, accept: str, context: Context
    ) -> Output:
        """Answer as `Handler.answer`, with the current code and model.

        Raises:
            ModuleFailed: The code or its model cannot be loaded.
        """
        with self._lock:
            self._refresh()
            handler, model, failure = self._handler, self._model, self._failure
        if failure is not None or handler is None:
            raise errors.ModuleFailed(self._text(failure))
        return handler.answer(model, body, content_type, accept, context)

    def _text(self, failure: BaseException | None) -> str:
        cause = tracebacks.summary(failure, self._folders()) if failure else "it is not loaded"
        return (
            f"{self._settings.module()} cannot be loaded: {cause}; fix and save the file, then "
            "send the request again"
        )

    def _folders(self) -> Sequence[Path]:
        """Return the folders of the user's code, also while the module cannot be loaded."""
        self._seen_folders |= dict.fromkeys(inference_module.folders_of(self._settings))
        return tuple(self._seen_folders)

    def _module(self) -> ModuleType | None:
        name = self._settings.module()
        return sys.modules.get(Path(name).stem if name.endswith(".py") else name)

    def _look(self) -> tuple[watched.Stamps, watched.Stamps]:
        """Return the stamps of the code and of the model directory."""
        folders = self._folders()
        modules = watched.modules_below(folders, without=self._before)
        places = {watched.place(module) for module in modules.values()}
        files = {file for file in places if not file.endswith(os.sep)}
        name = self._settings.module()
        if name.endswith(".py"):
            files.add(str(Path(name).absolute()))
        if self._failure is not None:
            # The fix may be in a file that was not imported yet.
            files.update(self._failed_files)
            files.update(str(path) for folder in folders for path in folder.glob("*.py"))
        code = watched.stamps(files)
        data = watched.files_below(
            self._settings.model_directory(), without=[self._settings.code_directory()]
        )
        return code, watched.stamps(file for file in data if file not in code)

    def _sample_stamps(self) -> watched.Stamps:
        name = self._settings.sample_request
        return watched.stamps([name] if name else [])

    def _refresh(self) -> None:
        """Reload what changed since the last check."""
        if (sample := self._sample_stamps()) != self._sample:
            self._sample = sample
            if self._handler is not None and self._failure is None:
                self._told(self._handler, self._model)
        if not self._changed(*self._look()):
            return
        watched.settle([*self._code, *self._data])
        self._started_ns, started_s = time.time_ns(), time.monotonic()
        # Take the stamps before reading, so that the next check sees what is saved meanwhile.
        code, data = self._look()
        changed, is_same_data = self._changed(code, data), data == self._data
        self._code, self._data = code, data
        if is_same_data and self._replace_functions(changed):
            what = "the functions that answer; the model stays"
        else:
            self._unload()
            self._load()
            what = "the code and the model"
        if self._failure is None:
            took_ms = 1000 * (time.monotonic() - started_s)
            names = sorted(Path(file).name for file in changed)
            because = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
            _log.info("%s changed: reloaded %s, in %.0f ms", because, what, took_ms)

    def _changed(self, code: watched.Stamps, data: watched.Stamps) -> set[str]:
        """Return the files that changed since the last check."""
        changed = {file for file, stamp in self._code.items() if code.get(file) != stamp}
        new = code.keys() - self._code.keys()
        if self._failure is None:
            # A file that a function imported meanwhile is new here, but not changed.
            self._code |= {file: code[file] for file in new}
        else:
            changed |= new
        changed |= {file for file, _ in self._data.items() ^ data.items()}
        return changed

    def _replace_functions(self, changed: set[str]) -> bool:
        """Replace only the functions that answer; return False if more changed."""
        module = self._module()
        is_loaded = self._handler is not None and self._source is not None
        if module is None or not is_loaded or changed - {str(module.__file__)}:
            return False
        try:
            source = Source.read(str(module.__file__))
        except (OSError, SyntaxError, ValueError) as error:
            self._fail(error)
            return True  # keep the model for the version that fixes the error
        if self._source is None or not self._source.leaves_the_model(source):
            return False
        try:
            source.put_into(module)
            handler = Handler(module, self._settings.module(), batch_size=self._settings.batch_size)
        except BaseException as error:  # noqa: BLE001 - a default value may raise anything
            self._fail(error)
            return True
        self._handler, self._source, self._failure = handler, source, None
        self._told(handler, self._model)
        return True

    def _unload(self) -> None:
        """Release the code and the model, before loading another one that needs as much memory."""
        self._handler = self._model = self._source = None
        for name in watched.modules_below(self._folders(), without=self._before):
            del sys.modules[name]
        importlib.invalidate_caches()

    def _load(self) -> None:
        try:
            handler = self._find()
            file = str(getattr(self._module(), "__file__", None))
            self._source = Source.read(file) if file.endswith(".py") else None
            self._model = handler.load(str(self._settings.model_directory()))
        except BaseException as error:  # noqa: BLE001 - also a module that calls sys.exit()
            self._fail(error)
            return
        self._handler, self._failure = handler, None
        self._adopt_new_modules()
        self._told(handler, self._model)

    def _adopt_new_modules(self) -> None:
        """Watch the newly imported files; keep the older stamps of files watched before."""
        code, _ = self._look()
        for file, stamp in code.items():
            # Saved during the import: unknown which version was read, so let it count as changed.
            if self._started_ns - _CLOCK_NS < stamp[0] < time.time_ns():
                code[file] = (0, 0, 0)
        self._code = code | {file: stamp for file, stamp in self._code.items() if file in code}

    def _fail(self, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        self._failed_files = [frame.filename for frame in frames]
        if isinstance(error, SyntaxError) and error.filename:
            self._failed_files.append(error.filename)
        self._failure = error
        self._adopt_new_modules()
        # The message of a deliberate error is enough; for any other error, log the traceback.
        frames_of = None if isinstance(error, errors.ByoiError) else error
        _log.error("%s", self._text(error), exc_info=frames_of)
        self._told(None, self._text(error))
