"""What nobody foresaw ends an endpoint's work with a reason, and never leaves it in between."""

import tarfile
import threading
from types import SimpleNamespace

import pytest

from byoi import errors
from byoi.emulator.endpoints.endpoints import Endpoint


class Variants:
    """Instances whose steps fail as they are told; `Variants` of the emulator are like them."""

    config = "config"

    def __init__(self, *, start=None, stop=None, scale=None):
        self._start, self._stop, self._scale = start, stop, scale
        self.stopped = threading.Event()

    def start(self):
        self._do(self._start)

    def stop(self, _grace_s):
        self.stopped.set()
        self._do(self._stop)

    def scale(self, _counts, _weights):
        self._do(self._scale)

    def summaries(self):
        return [{"VariantName": "v", "CurrentInstanceCount": 1, "CurrentWeight": 1.0}]

    def cancel(self):
        pass

    @staticmethod
    def _do(error):
        if error is not None:
            raise error


def endpoint_of(log):
    record = SimpleNamespace(endpoint_name="films", production_variants=[], endpoint_status="")
    return Endpoint(record, log=log.append)


UNFORESEEN = [RecursionError("maximum depth"), MemoryError(), KeyError("a\x1b[2Jb\nc")]


@pytest.mark.parametrize("error", UNFORESEEN)
def test_a_creation_fails_with_the_reason(error):
    log = []
    endpoint = endpoint_of(log)
    variants = Variants(start=error)
    endpoint.create(variants)
    endpoint.wait()
    assert endpoint.record.endpoint_status == "Failed"
    reason = endpoint.record.failure_reason
    assert reason.startswith(f"the emulator failed: {type(error).__name__}")
    assert "\n" not in reason
    assert "\x1b" not in reason
    assert variants.stopped.is_set()
    assert any("Traceback" in line for line in log)


@pytest.mark.parametrize("error", UNFORESEEN)
def test_an_update_that_fails_leaves_the_old_one_in_service(error):
    endpoint = endpoint_of([])
    endpoint.create(Variants())
    endpoint.wait()
    endpoint.update(Variants(start=error, stop=error))
    endpoint.wait()
    assert endpoint.record.endpoint_status == "InService"
    assert type(error).__name__ in endpoint.record.failure_reason
    endpoint.scale({"v": 2}, {})
    endpoint.wait()
    assert endpoint.record.endpoint_status == "InService"


@pytest.mark.parametrize("error", UNFORESEEN)
def test_a_change_of_numbers_that_fails_says_so(error):
    endpoint = endpoint_of([])
    endpoint.create(Variants(scale=error))
    endpoint.wait()
    endpoint.scale({"v": 2}, {})
    endpoint.wait()
    assert endpoint.record.endpoint_status == "InService"
    assert type(error).__name__ in endpoint.record.failure_reason


@pytest.mark.parametrize("error", [*UNFORESEEN, OSError("disk")])
def test_a_deletion_ends_all_the_same(error):
    gone = threading.Event()
    endpoint = endpoint_of([])
    endpoint.create(Variants(stop=error))
    endpoint.wait()
    endpoint.delete(gone.set)
    endpoint.wait()
    assert gone.is_set()


def test_an_archive_that_never_ends_fails_the_endpoint(in_processes, tmp_path):
    import gzip

    info = tarfile.TarInfo("longname")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    with gzip.open(tmp_path / "model.tar.gz", "wb") as stream:
        for _ in range(5000):
            stream.write(info.tobuf(tarfile.USTAR_FORMAT) + bytes(512))
    uri = in_processes.upload(tmp_path / "model.tar.gz")
    reason = in_processes.failure_reason(in_processes.config(in_processes.model(uri)))
    assert "headers that never end" in reason


def test_a_deliberate_error_is_its_own_reason():
    endpoint = endpoint_of([])
    endpoint.create(Variants(start=errors.EndpointFailedError("two\nlines")))
    endpoint.wait()
    assert endpoint.record.failure_reason == r"two\nlines"
