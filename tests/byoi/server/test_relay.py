"""Lines that pass through the supervisor."""

import io
import json

from byoi.server import logs


def test_what_nginx_complains_about_becomes_a_json_line(capsys):
    logs.relay(io.BytesIO(b"2026/11/24 [emerg] 1#1: no memory\n"), logs.say_for_nginx)
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "nginx: 2026/11/24 [emerg] 1#1: no memory"


def test_a_header_that_is_no_utf_8_does_not_spoil_the_access_log(capfd):
    logs.relay(io.BytesIO(b'{"user_agent":"caf\xe9"}\n'), logs.pass_on)
    assert json.loads(capfd.readouterr().out) == {"user_agent": "caf\N{REPLACEMENT CHARACTER}"}
