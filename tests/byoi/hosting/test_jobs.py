"""Batch transform and training in local mode, for real."""

import gzip
import json
import os
import shutil
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
from answering_server import answering
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.local.local_session import LocalSagemakerClient
from sagemaker.model import Model
from sagemaker.serializers import JSONSerializer
from tiny_model import tiny_answer

from byoi import errors, hosting
from byoi.hosting import jobs
from byoi.local.docker import Engine

pytestmark = pytest.mark.needs("docker", "compose")
GOOD, BAD = tiny_answer([1, 4, 6, 5]), tiny_answer([1, 4, 7, 5])


@pytest.fixture
def output_dir(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "output dir"
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


def model(image: str, location: str | None, session: hosting.LocalSession, **settings) -> Model:
    return Model(image, location, hosting.LOCAL_ROLE, sagemaker_session=session, **settings)


def write_rows(path: Path, rows: list[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_batch_transform_keeps_number_and_order_of_the_rows_of_two_files(  # noqa: PLR0917
    image: str,
    archive: Path,
    restricted_dir: Path,
    output_dir: Path,
    session: hosting.LocalSession,
    capfd: pytest.CaptureFixture[str],
):
    reviews = ["the good film" if number % 3 else "the bad film" for number in range(150)]
    write_rows(restricted_dir / "one.jsonl", reviews)
    write_rows(restricted_dir / "two.jsonl", reviews[::-1])
    transformer = model(image, f"file://{archive}", session).transformer(
        1,
        "local",
        output_path=f"file://{output_dir}",
        strategy="MultiRecord",
        assemble_with="Line",
        accept="application/jsonlines",
        max_payload=1,
    )
    # wait and logs as they are by default: the SDK would go to CloudWatch for them.
    transformer.transform(
        f"file://{restricted_dir}", content_type="application/jsonlines", split_type="Line"
    )
    assert sorted(path.name for path in output_dir.iterdir()) == ["one.jsonl.out", "two.jsonl.out"]
    for name, rows in (("one", reviews), ("two", reviews[::-1])):
        lines = (output_dir / f"{name}.jsonl.out").read_text().splitlines()
        answers = np.array([json.loads(line) for line in lines])
        expected = [GOOD if row == "the good film" else BAD for row in rows]
        np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert output_dir.stat().st_mode & 0o700 == 0o700
    assert output_dir.stat().st_mode & 0o777 != 0o700
    assert capfd.readouterr() == ("", "")
    job = session.wait_for_transform_job(transformer.latest_transform_job.name)
    assert job["TransformJobStatus"] == "Completed"
    assert [path.name for path in session.directory.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("name", "content", "settings", "wanted", "shapes"),
    [
        (
            "rows.jsonl",
            b'"the good film"\n"the bad film"\n',
            {"content_type": "application/jsonlines", "join_source": "Input"},
            {"accept": "application/jsonlines"},
            [
                {"SageMakerInput": "the good film", "SageMakerOutput": GOOD},
                {"SageMakerInput": "the bad film", "SageMakerOutput": BAD},
            ],
        ),
        (
            "rows.csv.gz",
            gzip.compress(b"7,the good film\n8,the bad film\n"),
            {
                "content_type": "text/csv",
                "compression_type": "Gzip",
                "input_filter": "$[1:]",
                "join_source": "Input",
                "output_filter": "$[0,-1]",
            },
            {"accept": "text/csv", "strategy": "SingleRecord"},
            [[7, GOOD[1]], [8, BAD[1]]],
        ),
    ],
)
def test_batch_transform_filters_and_joins(  # noqa: PLR0917
    image: str,
    archive: Path,
    tmp_path: Path,
    output_dir: Path,
    session: hosting.LocalSession,
    name: str,
    content: bytes,
    settings: dict[str, str],
    wanted: dict[str, str],
    shapes: list[object],
):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / name).write_bytes(content)
    transformer = model(image, f"file://{archive}", session).transformer(
        1, "local", output_path=f"file://{output_dir}", assemble_with="Line", **wanted
    )
    transformer.transform(f"file://{tmp_path}/in", split_type="Line", **settings)
    lines = (output_dir / "deep" / f"{name}.out").read_text().splitlines()
    read = [json.loads(line if line[0] == "{" else f"[{line}]") for line in lines]
    assert len(read) == len(shapes)
    for made, shape in zip(read, shapes, strict=True):
        if isinstance(shape, dict):
            assert made.keys() == shape.keys()
            assert made["SageMakerInput"] == shape["SageMakerInput"]
            made, shape = made["SageMakerOutput"], shape["SageMakerOutput"]  # noqa: PLW2901
        np.testing.assert_allclose(made, shape, atol=1e-5)


def test_batch_transform_fails_where_an_invocation_fails(
    image: str, archive: Path, tmp_path: Path, output_dir: Path, session: hosting.LocalSession
):
    write_rows(tmp_path / "rows.jsonl", ["the good film", {"neither": "review nor ids"}])
    transformer = model(image, f"file://{archive}", session).transformer(
        1, "local", output_path=f"file://{output_dir}", accept="application/jsonlines"
    )
    with pytest.raises(errors.JobFailedError, match=r"error \(400\).* container's log is in"):
        transformer.transform(
            f"file://{tmp_path}/rows.jsonl",
            content_type="application/jsonlines",
            split_type="Line",
        )
    assert list(output_dir.iterdir()) == []
    job = list(LocalSagemakerClient._transform_jobs.values())[-1]
    assert job.describe()["TransformJobStatus"] == "Failed"


def test_batch_transform_has_to_be_told_what_it_sends(
    image: str, tmp_path: Path, session: hosting.LocalSession
):
    transformer = model(image, None, session).transformer(
        1, "local", output_path=f"file://{tmp_path}/out"
    )
    with pytest.raises(errors.ConfigurationError, match="content_type="):
        transformer.transform(f"file://{tmp_path}")


def test_input_that_is_not_there_is_named(
    image: str, archive: Path, tmp_path: Path, session: hosting.LocalSession
):
    transformer = model(image, f"file://{archive}", session).transformer(
        1, "local", output_path=f"file://{tmp_path}/out"
    )
    with pytest.raises(errors.HostingError, match=f"{tmp_path}/absent: no such file"):
        transformer.transform(f"file://{tmp_path}/absent", content_type="text/csv")
    assert list(session.directory.iterdir()) == []


def test_a_training_job_that_fails_tells_the_containers_reason_and_reports_to_nobody(
    image: str, session: hosting.LocalSession, monkeypatch: pytest.MonkeyPatch
):
    estimator = Estimator(
        image, hosting.LOCAL_ROLE, 1, "local", sagemaker_session=session, hyperparameters={"a": 1}
    )
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.1)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with pytest.raises(errors.JobFailedError, match=r"failed: .*TARGET=tensorflow"):
            estimator.fit()
        with pytest.raises(TimeoutError):
            proxy.accept()
        # It does hear what is sent to the internet.
        with pytest.raises(requests.RequestException):
            requests.get("https://example.invalid", timeout=0.2)
        proxy.accept()[0].close()


def test_an_estimator_trains_with_the_tensorflow_image_and_its_model_is_served(  # noqa: PLR0917
    tensorflow_image: str,
    image: str,
    restricted_dir: Path,
    output_dir: Path,
    session: hosting.LocalSession,
    capfd: pytest.CaptureFixture[str],
):
    words = {"the": 1, "film": 2, "good": 3, "bad": 4}
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    rows = np.empty(400, object)
    rows[:] = [[1, 4, 5, 6 if label else 7] for label in labels]
    np.savez(
        restricted_dir / "imdb.npz",
        x_train=rows[:200],
        y_train=labels[:200],
        x_test=rows[200:],
        y_test=labels[200:],
    )
    (restricted_dir / "imdb_word_index.json").write_text(json.dumps(words))
    estimator = Estimator(
        tensorflow_image,
        hosting.LOCAL_ROLE,
        1,
        "local",
        output_path=f"file://{output_dir}",
        hyperparameters={"epochs": 1},
        sagemaker_session=session,
    )
    estimator.fit({"train": f"file://{restricted_dir}"})
    with tarfile.open(output_dir / "model.tar.gz") as tar:
        assert {"manifest.json", "model.onnx", "model.keras"} <= set(tar.getnames())
    with tarfile.open(output_dir / "output.tar.gz") as tar:
        assert any(name.endswith(".png") for name in tar.getnames())
    assert capfd.readouterr().out == ""
    predictor = estimator.deploy(
        1,
        "local",
        image_uri=image,
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
    )
    endpoint = hosting.Endpoint(predictor)
    [[negative, positive]] = predictor.predict(["the film good"])
    assert negative + positive == pytest.approx(1, abs=1e-5)
    endpoint.delete()
    assert endpoint.remains() == []


def test_files_of_a_container_can_be_removed_afterwards(image: str, tmp_path: Path):
    (tmp_path / "made").mkdir(mode=0o700)
    (tmp_path / "made" / "by_root").touch(mode=0o600)
    Engine(os.environ).unlock(tmp_path, image)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o777
    assert (tmp_path / "made" / "by_root").stat().st_mode & 0o777 == 0o666
    shutil.rmtree(tmp_path / "made")


def test_the_containers_wishes_hold_where_the_caller_has_none():
    with answering() as server:
        wanted = {
            "BatchStrategy": "SingleRecord",
            "MaxPayloadInMB": 3,
            "MaxConcurrentTransforms": 9,
        }
        server.answer = (200, "application/json", json.dumps(wanted).encode())
        found = jobs._execution_parameters(server.url, {"MaxPayloadInMB": 1})
        assert found == {"BatchStrategy": "SingleRecord"}
        server.answer = (404, "application/json", b"{}")
        assert jobs._execution_parameters(server.url, {}) == {}
    assert [path for path, _, _ in server.requests] == ["/execution-parameters"] * 2
