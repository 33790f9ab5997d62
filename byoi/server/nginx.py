"""nginx, the proxy in front of gunicorn: its program and its configuration.

Source of the directives: nginx documentation, ngx_http_core_module and ngx_http_proxy_module;
nginx.conf.in has the reason for each.
"""

import grp
import math
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from byoi import contract
from byoi.server import execution_parameters, page, statuses
from byoi.server.readiness import Readiness
from byoi.server.settings import Settings

TEMPLATE_FILE = Path(__file__).with_name("nginx.conf.in")
# On Debian nginx is outside a normal user's PATH; the last two are Homebrew's.
_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin")
_CONNECTIONS = 2048
# How long nginx may buffer a line of the access log.
_LOG_FLUSH = "100ms"
# 494 is nginx's own number for headers that are too large.
_OWN_NUMBERS = {431: 494}
# Errors that nginx itself can answer with; 406 and 415 are up to the inference module.
_ANSWERED = (400, 403, 404, 405, 408, 412, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505)


def find_nginx() -> str | None:
    """Return the path of nginx, None if it is not installed."""
    return shutil.which("nginx") or shutil.which("nginx", path=":".join(_FOLDERS))


def render(template: str, settings: Settings, state_dir: Path) -> str:
    """Return nginx's configuration.

    Args:
        template: Text of nginx.conf.in.
        settings: Port, limits and deadlines.
        state_dir: Directory for nginx's files and the sockets; a path without quotes and `$`.
    """
    readiness = Readiness(state_dir)
    deadline_s = settings.answer_timeout_s
    values = {
        "STATE": state_dir,
        "READY_FILE": readiness.ready_file,
        "LOADED_FILE": readiness.loaded_file,
        "SOCKET": readiness.socket,
        "BIND_ADDRESS": settings.bind_address,
        "PORT": settings.port,
        "PING": contract.PING_PATH,
        "INVOCATIONS": contract.INVOCATIONS_PATH,
        "PING_METHODS": ", ".join(statuses.ROUTES[contract.PING_PATH]),
        "INVOCATIONS_METHODS": ", ".join(statuses.ROUTES[contract.INVOCATIONS_PATH]),
        "PARAMETERS": contract.EXECUTION_PARAMETERS_PATH,
        "PARAMETERS_METHODS": ", ".join(statuses.PARAMETERS_METHODS),
        "PARAMETERS_FILE": execution_parameters.file(state_dir).name,
        "BODY_LIMIT_BYTES": settings.body_limit_bytes,
        "BODY_TIMEOUT_S": math.ceil(settings.body_timeout_s),
        "BODY_GIVEN_UP_S": math.ceil(settings.body_timeout_s) + 5,
        "ANSWER_TIMEOUT_S": f"{math.ceil(deadline_s * 1000)}ms",
        "IGNORES_ABORT": "off" if settings.is_batch else "on",
        "LOG_FLUSH": _LOG_FLUSH,
        "SHUTDOWN_S": math.ceil(max(deadline_s, settings.stream_timeout_s)) + 10,
        "CONNECTIONS": _CONNECTIONS,
        "FILES": 2 * _CONNECTIONS,
        "USER": _user(),
        **_page_values(settings, state_dir),
        "SILENT_FILE": readiness.silent_file,
        "RUNNING": readiness.running_dir,
        "BODY_504": _body(504, settings),
        "BODY_BUSY": _body(503, settings, statuses.BUSY),
        "ERROR_PAGES": _error_pages(status for status in _ANSWERED if status != 504),
        "ERROR_LOCATIONS": _error_locations(settings),
    }
    for name, value in values.items():
        template = template.replace(f"@{name}@", str(value))
    return template


def _page_values(settings: Settings, state_dir: Path) -> dict[str, str]:
    """Return the values of the page for the template; empty if the page is off."""
    if settings.page == "off":
        return dict.fromkeys(
            ("PAGE_ALLOW", "PAGE_IS_NO_NEWS", "PAGE_MAPS", "PAGE_GUARD", "PAGE_LOCATIONS"), ""
        )
    methods = ", ".join(page.METHODS)
    guard = "            if ($is_foreign) {\n                return 403;\n            }\n"
    headers = "".join(
        f'            add_header {name} "{value}";\n' for name, value in page.HEADERS.items()
    )
    return {
        "PAGE_ALLOW": "".join(f'        "{path}" "{methods}";\n' for path in page.FILES),
        "PAGE_IS_NO_NEWS": "".join(f'        "{path} 200" 0;\n' for path in page.FILES),
        "PAGE_MAPS": _map("$http_host", "$foreign_host", page.hosts(settings))
        + _map("$http_origin", "$foreign_origin", ["", *page.origins(settings)])
        + _map('"$foreign_host$foreign_origin"', "$is_foreign", ["00"]),
        "PAGE_GUARD": guard,
        "PAGE_LOCATIONS": "".join(
            f"        location = {path} {{\n{guard}"
            f"            if ($request_method !~ ^({'|'.join(page.METHODS)})$) {{\n"
            "                return 405;\n            }\n"
            f'            root "{page.Folder(state_dir).path}";\n'
            f'            types {{}}\n            default_type "{file.media_type}";\n{headers}'
            "            add_header X-Request-Id $request_id;\n"
            # 503 until a worker has loaded the model and written its description.
            f"            try_files /{file.name} =503;\n        }}\n"
            for path, file in page.FILES.items()
        ),
    }


def _map(variable: str, name: str, known: Iterable[str]) -> str:
    """Return nginx's `map` for a variable that is 0 if another one has a known value, else 1."""
    rows = "".join(f'        "{value}" 0;\n' for value in known)
    return f"    map {variable} {name} {{\n        default 1;\n{rows}    }}\n"


def _error_pages(numbers: Iterable[int]) -> str:
    return "\n".join(
        f"        error_page {_OWN_NUMBERS.get(status, status)} ={status} /.error/{status};"
        for status in numbers
    )


def _error_locations(settings: Settings) -> str:
    """Return one location for each error, with its body."""
    return "\n".join(
        f"        location = /.error/{status} {{\n"
        "            internal;\n"
        + ("            add_header Allow $allow always;\n" if status == 405 else "")
        + "            add_header X-Request-Id $request_id always;\n"
        f"            return {status} '{_body(status, settings)}';\n"
        "        }"
        for status in _ANSWERED
    )


def _body(status: int, settings: Settings, error: tuple[str, str] | None = None) -> str:
    """Return the JSON body of an error, escaped for nginx's single quotes."""
    name, message = error or statuses.ERRORS[status]
    body = statuses.body(name, message.format_map(vars(settings)), "$request_id").decode()
    return body.replace("\\", "\\\\").replace("'", "\\'")


def _user() -> str:
    """Return the directive that lets root's workers stay root: the state directory is private."""
    return f"user root {grp.getgrgid(0).gr_name};" if os.geteuid() == 0 else ""
