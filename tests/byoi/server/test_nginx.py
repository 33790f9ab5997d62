"""nginx's configuration: complete, with the contract's numbers, and nginx accepts it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from byoi import contract
from byoi.server import nginx, page, statuses
from byoi.server.nginx import find_nginx
from byoi.server.settings import Settings

TEMPLATE = nginx.TEMPLATE_FILE.read_text(encoding="utf-8")


def render(state_dir="/tmp/state", **settings):
    return nginx.render(TEMPLATE, Settings(**settings), Path(state_dir))


def directives(text, name):
    return re.findall(rf"^\s*{name} ([^;]+);", text, flags=re.MULTILINE)


def test_every_placeholder_is_filled():
    assert re.findall(r"@[A-Z_]+@", render()) == []


def test_numbers_are_the_contracts():
    text = render()
    assert directives(text, "listen")[0] == "0.0.0.0:8080 backlog=1024"
    assert directives(text, "client_max_body_size") == [str(contract.REQUEST_BODY_BYTES)]
    assert directives(text, "proxy_read_timeout") == ["60000ms"]
    assert directives(text, "proxy_send_timeout") == ["60000ms"]
    # After a reload streams go on; the supervisor ends a stop in time.
    left_s = int(directives(text, "worker_shutdown_timeout")[0].rstrip("s"))
    assert left_s > contract.STREAM_TIMEOUT_S
    assert contract.DRAIN_S < contract.STOP_GRACE_S


def test_settings_are_followed():
    text = render(port=9, bind_address="127.0.0.1", invocation_timeout_s=0.25, body_timeout_s=0.5)
    assert directives(text, "listen")[0].startswith("127.0.0.1:9 ")
    assert directives(text, "proxy_read_timeout") == ["250ms"]
    # Later than the worker, which answers 408.
    assert directives(text, "client_body_timeout") == ["6s"]


def test_in_a_transform_nginx_waits_for_the_workers_and_takes_any_size():
    text = render(is_batch=True, invocation_timeout_s=600.0, body_limit_bytes=0)
    wait_ms = int(directives(text, "proxy_read_timeout")[0].removesuffix("ms"))
    assert wait_ms == 1000 * contract.TRANSFORM_WAIT_S > 1000 * 3600
    assert directives(text, "client_max_body_size") == ["0"]


def test_one_hop_leads_to_the_workers_and_its_connections_stay_open():
    text = render()
    assert len(directives(text, "listen")) == 1
    assert directives(text, "proxy_pass") == ["http://workers/invocations"]
    assert text.count('server "unix:/tmp/state/gunicorn.sock";') == 1
    # As many as clients can have requests in flight, and never closed after a number of them.
    assert directives(text, "keepalive") == directives(text, "worker_connections") == ["2048"]
    assert int(directives(text, "keepalive_requests")[0]) >= 10**9
    assert directives(text, "proxy_http_version") == ["1.1"]
    assert 'Connection ""' in directives(text, "proxy_set_header")


def test_a_body_is_forwarded_as_it_comes_and_only_the_workers_word_is_passed_on():
    text = render()
    assert directives(text, "proxy_request_buffering") == ["off"]
    assert set(directives(text, "proxy_set_header")) >= {
        "X-Request-Id $request_id",
        "X-Byoi-Sent $msec",
    }


def test_only_exact_paths_are_routes():
    locations = re.findall(r"^        location (.*) \{$", render(), flags=re.MULTILINE)
    public = [name for name in locations if "/.error/" not in name]
    assert public == ["= /ping", "= /invocations", "= /execution-parameters", "/"]


def test_the_page_adds_exact_paths_alone_each_with_the_guard():
    text = render(page="on")
    added = [path for path in page.FILES if f"        location = {path} {{" in text]
    assert added == list(page.FILES)
    assert text.count("if ($is_foreign)") == len(added) + 1, "and /invocations"
    assert "is_foreign" not in render()


def test_error_bodies_come_from_the_one_table():
    text = render()
    for status, (name, _) in statuses.ERRORS.items():
        if status in {406, 415}:
            continue  # only the inference module says these
        assert f'return {status} \'{{"error": "{name}"' in text


def test_every_setting_has_a_reason():
    undescribed = []
    for block in re.split(r"\n\s*\n", TEMPLATE):
        names = re.findall(r"^\s*([a-z_]+) [^{]*;$", block, flags=re.MULTILINE)
        if names and "#" not in block:
            undescribed += names
    assert undescribed == []


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("page", ["off", "on"])
def test_nginx_accepts_it_without_a_warning(tmp_path, page):
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(render(tmp_path, port=18_099, page=page))
    nginx = find_nginx()
    done = subprocess.run(
        [nginx, "-t", "-e", "stderr", "-p", str(tmp_path), "-c", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


@pytest.mark.needs("nginx")
def test_nginx_is_found_outside_a_users_path(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert nginx.find_nginx() is not None


def test_root_stays_root_and_others_need_no_directive(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert re.search(r"^user root \w+;$", render(), flags=re.MULTILINE)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert directives(render(), "user") == []
