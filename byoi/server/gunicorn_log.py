"""gunicorn's messages as JSON lines, and the access log if nginx is not in front.

An access line has the same fields as nginx's in nginx.conf.in; each request has one line.
"""

import logging
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from byoi import contract
from byoi.server import logs, page
from byoi.server.readiness import Readiness


class JsonLogger(Logger):  # type: ignore[misc] # gunicorn ships no types
    """The `logger_class` of gunicorn_conf.py."""

    def setup(self, cfg: Any) -> None:
        """Replace gunicorn's handlers; gunicorn calls this at start."""
        super().setup(cfg)
        to_stderr = logging.StreamHandler(sys.stderr)
        to_stderr.setFormatter(logs.formatter(sys.stderr))
        to_stderr.addFilter(self._is_news)
        self.error_log.handlers[:] = [to_stderr]
        # Without nginx, the page gets the last requests from here instead of nginx's access log.
        is_on = os.environ.get("BYOI_PAGE") == "on"
        folder = page.Folder(Path(os.environ["BYOI_STATE_DIR"])) if is_on else None
        self._page = page.LastRequests(folder) if folder else None

    def _is_news(self, _record: logging.LogRecord) -> bool:
        """Whether there is no failure file, whose cause the supervisor prints."""
        state_dir = os.environ.get("BYOI_STATE_DIR")
        return not (state_dir and Readiness(Path(state_dir)).failure_file.exists())

    def access(self, resp: Any, req: Any, environ: Any, request_time: timedelta) -> None:
        """Write one line per request on stdout, except for a /ping answered with 200."""
        if not self.access_log_enabled:
            return
        status = int(str(resp.status).split()[0])
        path = environ.get("PATH_INFO", getattr(req, "path", "") or "")
        if path == contract.PING_PATH and status == 200:
            return
        if self._page is not None and path in page.FILES and status == 200:
            return  # the page asks again every few seconds
        headers = {name.lower(): value for name, value in resp.headers}
        length = environ.get("CONTENT_LENGTH", "")
        self._write(
            request_id=headers.get("x-request-id", ""),
            method=environ.get("REQUEST_METHOD", ""),
            path=path,
            status=status,
            duration_s=round(request_time.total_seconds(), 3),
            request_bytes=int(length) if length.isdigit() else None,
            response_bytes=resp.sent,
            content_type=environ.get("CONTENT_TYPE", ""),
            accept=environ.get("HTTP_ACCEPT", ""),
            user_agent=environ.get("HTTP_USER_AGENT", ""),
            inference_id=environ.get("HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID", ""),
        )

    def answered(self, status: int, request_id: str, request: Any) -> None:
        """Write the line of a request that the worker answered instead of the application."""
        if self.access_log_enabled:
            method, path = (getattr(request, name, None) or "" for name in ("method", "path"))
            self._write(request_id=request_id, method=method, path=path, status=status)

    def _write(self, **fields: Any) -> None:
        is_read = sys.stdout.isatty()
        written = logs.access_text(fields) if is_read else logs.line("info", "request", **fields)
        sys.stdout.write(written)
        sys.stdout.flush()
        if self._page is not None:
            self._page.add(fields)

    def now(self) -> str:
        """Return the time in the format of every other line."""
        return logs.timestamp(time.time())
