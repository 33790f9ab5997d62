"""The contract, through the process stack: behind nginx and through gunicorn alone."""

import signal
import socket
import subprocess
import threading
import time

import contract_cases
import pytest

from byoi_lib import contract, errors, runner
from byoi_lib.runner import ProcessStack

ENVIRON = contract_cases.ENVIRON | {"BYOI_INFERENCE_MODULE": str(contract_cases.ECHO)}


@pytest.mark.needs("nginx")
class TestBehindNginx(contract_cases.NginxCases):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tmp_path_factory):
        with ProcessStack(tmp_path_factory.mktemp("model"), environ=ENVIRON) as stack:
            yield contract_cases.PortTarget("127.0.0.1", stack.port, lambda: stack.log)


class TestThroughGunicornAlone(contract_cases.HttpCases):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tmp_path_factory):
        environ = ENVIRON | {"BYOI_NGINX": "off"}
        with ProcessStack(tmp_path_factory.mktemp("model"), environ=environ) as stack:
            yield contract_cases.PortTarget("127.0.0.1", stack.port, lambda: stack.log)
