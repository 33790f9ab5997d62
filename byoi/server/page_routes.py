"""The page without nginx: Flask answers its paths, with the same rules.

As with /ping, a worker answers them while it runs other requests.
"""

from pathlib import Path

from flask import Flask, Response, request
from werkzeug.exceptions import Forbidden, ServiceUnavailable

from byoi import contract
from byoi.server import page
from byoi.server.settings import Settings


def add(app: Flask, settings: Settings, state_dir: Path) -> None:
    """Add the page's paths to the application, and refuse foreign requests.

    Behind nginx nothing is added.

    Args:
        app: The result of `create_app`.
        settings: The settings of the server.
        state_dir: The server's private directory.
    """
    if settings.proxy != "off":
        return
    folder = page.Folder(state_dir)

    def refuse_foreign() -> None:
        is_guarded = request.path in page.FILES or request.path == contract.INVOCATIONS_PATH
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if is_guarded and page.is_foreign(settings, host, origin):
            raise Forbidden

    def answer() -> Response:
        file = page.FILES[request.path]
        try:
            body = (folder.path / file.name).read_bytes()
        except FileNotFoundError as error:  # no worker has described the model yet
            raise ServiceUnavailable from error
        return Response(body, content_type=file.media_type, headers=page.HEADERS)

    app.before_request(refuse_foreign)
    for path in page.FILES:
        app.add_url_rule(
            path, "page", answer, methods=page.METHODS, provide_automatic_options=False
        )
