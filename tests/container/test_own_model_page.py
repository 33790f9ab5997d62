"""The Dockerfile of docs/your-own-model.md, which has a `train` of its own."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import images
import own_model_page
import pytest
from containers import RESTRICTED, ROOT, docker, mounted, started
from jobs import run_job
from test_serve import invoke

pytestmark = pytest.mark.needs("docker")


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image; its base has scikit-learn already, so that pip asks no index."""
    folder = tmp_path_factory.mktemp("trees")
    own_model_page.write_files(folder, "trees")
    dockerfile = folder / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    assert text.startswith("FROM byoi:latest\n")
    base = images.current("libraries")
    dockerfile.write_text(text.replace("FROM byoi:latest", f"FROM {base}"), encoding="utf-8")
    tag = f"byoi-test-own:{uuid.uuid4().hex[:12]}"
    script = ROOT / "container" / "docker_build.sh"
    done = subprocess.run(
        [script, "--tag", tag, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    yield tag
    docker("rmi", "--force", tag, check=False)


def test_an_own_train_trains_and_the_image_serves_its_model(trees: str, tmp_path: Path) -> None:
    channel = tmp_path / "input" / "data" / "training"
    for folder in (channel, tmp_path / "model", tmp_path / "output"):
        folder.mkdir(parents=True)
    rows = {"setosa": [5.1, 3.5, 1.4, 0.2], "virginica": [6.3, 3.3, 6.0, 2.5]}
    lines = [",".join([name, *map(str, row)]) for name, row in rows.items()]
    (channel / "leaves.csv").write_text("\n".join(lines), encoding="utf-8")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    job = run_job(trees, tmp_path, {"max_leaf_nodes": "3"}, *RESTRICTED)
    assert job.status == 0, job.log
    with started(trees, *RESTRICTED, *mounted(job.model_dir)) as container:
        status, answer = invoke(container.port, list(rows.values()))
        assert (status, answer) == (200, list(rows)), container.log
        status, answer = invoke(container.port, [[5.1, 3.5, 1.4]])
        assert status == 400, container.log
        assert "expected 4" in answer["message"]


def test_an_error_of_an_own_train_is_the_failure_of_the_job(trees: str, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o777)
    job = run_job(trees, tmp_path, {}, *RESTRICTED)
    assert job.status == 1
    assert "training" in (tmp_path / "output" / "failure").read_text(encoding="utf-8")
