"""The SDK's `entry_point` and `source_dir` in local mode: the user's script answers."""

import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
import script_project
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

from byoi import errors, hosting, model_data
from byoi.hosting import script
from byoi.hosting.script import DIRECTORY, PROGRAM

needs_local_mode = pytest.mark.needs("docker", "compose")
TELLING = """\
from beside import WORD
def model_fn(model_dir):
    return WORD
def predict_fn(data, word):
    import os
    try:
        import added
    except ImportError:
        added = None
    return [word, __file__, added and added.WORD, os.statvfs(__file__).f_flag & os.ST_RDONLY]
"""


@pytest.fixture
def project(tmp_path: Path) -> SimpleNamespace:
    return script_project.make(tmp_path, "inference.py", TELLING, "WORD = 'beside'\n")


def answer(image: str, session: hosting.LocalSession, kind: type = Model, **settings) -> list:
    """Deploy as a user does, ask once, and delete."""
    model = kind(
        image_uri=image,
        role=hosting.LOCAL_ROLE,
        predictor_cls=Predictor,
        sagemaker_session=session,
        **settings,
    )
    predictor = model.deploy(
        1, "local", serializer=JSONSerializer(), deserializer=JSONDeserializer()
    )
    endpoint = hosting.Endpoint(predictor)
    try:
        return predictor.predict([])
    finally:
        endpoint.delete()
        assert endpoint.remains() == []


@needs_local_mode
def test_a_script_with_its_folder_and_its_dependencies_answers(
    image: str, session: hosting.LocalSession, project: SimpleNamespace
):
    told = answer(
        image,
        session,
        model_data=project.archive.as_uri(),
        entry_point="inference.py",
        source_dir=str(project.code),
        dependencies=[str(project.added)],
    )
    assert told == ["beside", "/opt/ml/model/code/inference.py", "added", 1]
    # The SDK has packed them into the caller's archive.
    with tarfile.open(project.archive) as tar:
        assert {"weights.txt", "code/inference.py", "code/lib/added.py"} <= set(tar.getnames())


@needs_local_mode
def test_a_script_without_model_data_answers_from_its_folder(
    image: str, session: hosting.LocalSession, project: SimpleNamespace, monkeypatch
):
    monkeypatch.chdir(project.root)
    told = answer(image, session, entry_point="inference.py", source_dir="code")
    assert told == ["beside", "/opt/ml/code/inference.py", None, 1]


@needs_local_mode
def test_a_script_alone_answers(
    image: str, session: hosting.LocalSession, project: SimpleNamespace
):
    alone = project.root / "alone.py"
    alone.write_text(TELLING.replace("from beside import WORD", "WORD = 'alone'"))
    told = answer(image, session, model_data=project.archive.as_uri(), entry_point=str(alone))
    assert told == ["alone", "/opt/ml/code/alone.py", None, 1]


@needs_local_mode
def test_a_model_of_one_of_the_sdks_frameworks_answers_with_its_script(
    image: str, session: hosting.LocalSession, project: SimpleNamespace
):
    told = answer(
        image,
        session,
        SKLearnModel,
        model_data=project.archive.as_uri(),
        entry_point="inference.py",
        source_dir=str(project.code),
    )
    assert told[:2] == ["beside", "/opt/ml/code/inference.py"]


@needs_local_mode
def test_a_script_in_a_git_repository_is_cloned_and_answers(
    image: str, session: hosting.LocalSession, project: SimpleNamespace, monkeypatch
):
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "all of it")):
        subprocess.run(["git", *command], cwd=project.code, check=True)
    # The SDK clones by https only.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{project.code.as_uri()}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://git.example.org/own.git")
    told = answer(
        image,
        session,
        model_data=project.archive.as_uri(),
        entry_point="inference.py",
        source_dir=".",
        git_config={"repo": "https://git.example.org/own.git"},
    )
    assert told[:2] == ["beside", "/opt/ml/code/inference.py"]


@needs_local_mode
def test_a_batch_transform_runs_the_script(
    image: str, session: hosting.LocalSession, project: SimpleNamespace
):
    model = Model(
        image_uri=image,
        role=hosting.LOCAL_ROLE,
        sagemaker_session=session,
        entry_point="inference.py",
        source_dir=str(project.code),
    )
    rows, out = project.root / "rows.json", project.root / "out"
    rows.write_text("[]")
    transformer = model.transformer(1, "local", output_path=out.as_uri())
    transformer.transform(rows.as_uri(), content_type="application/json")
    assert '"beside"' in (out / "rows.json.out").read_text()


@needs_local_mode
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"entry_point": "none.py"}, "entry_point='none.py': there is no such file in /"),
        (
            {"entry_point": "none.py", "source_dir": "code", "model_data": None},
            "which has beside.py, inference.py; give its path within that folder",
        ),
        (
            {"entry_point": "none.py", "source_dir": "none", "model_data": None},
            "there is no such folder; give the folder of your script",
        ),
        (
            {"entry_point": "inference.py", "source_dir": "s3://bucket/code.tar.gz"},
            "has no credentials, and the bucket 'bucket' is in an account; give it a session",
        ),
        (
            {"entry_point": "inference.py", "source_dir": "code", "model_data": "model.tar.gz"},
            "with an entry_point model_data='file:///absolute/path/model.tar.gz'",
        ),
    ],
    ids=["no file", "not in the folder", "no folder", "in a bucket", "a plain path"],
)
def test_what_is_not_there_is_refused_and_nothing_is_started(  # noqa: PLR0917 - fixtures
    image: str, session: hosting.LocalSession, project: SimpleNamespace, monkeypatch, given, message
):
    monkeypatch.chdir(project.root)
    with pytest.raises(errors.ConfigurationError) as caught:
        answer(image, session, **{"model_data": project.archive.as_uri(), **given})
    assert message in str(caught.value)


class TestStage:
    """Each case without a container."""

    @pytest.fixture
    def place(self, project: SimpleNamespace) -> dict:
        return {
            "model_dir": project.root / "model",
            "directory": project.root / "staged",
            "session": None,
        }

    @pytest.mark.parametrize(
        "environment",
        [
            {},
            {"OTHER": "1"},
            {PROGRAM: "inference.py"},
            {PROGRAM: "", DIRECTORY: ""},
            {PROGRAM: "inference.py", DIRECTORY: "/opt/ml/model/code"},
        ],
    )
    def test_variables_that_name_nothing_of_this_machine_stay(self, place: dict, environment: dict):
        assert script.stage(environment, **place) == environment
        assert not place["directory"].exists()

    def test_a_script_of_the_model_data_stays_where_it_is(self, place: dict):
        (place["model_dir"] / "code").mkdir()
        (place["model_dir"] / "code" / "own.py").touch()
        environment = {PROGRAM: "own.py", DIRECTORY: ""}
        assert script.stage(environment, **place) == environment

    def test_a_folder_that_was_changed_after_it_was_packed_is_given_as_it_is_now(
        self, place: dict, project: SimpleNamespace
    ):
        packed = place["model_dir"] / "code"
        packed.mkdir()
        for path in project.code.iterdir():
            (packed / path.name).write_bytes(path.read_bytes())
        environment = {PROGRAM: "inference.py", DIRECTORY: f"file://{project.code}"}
        assert script.stage(environment, **place)[DIRECTORY] == "/opt/ml/model/code"
        (project.code / "beside.py").write_text("WORD = 'changed'\n")
        assert script.stage(environment, **place)[DIRECTORY] == "/opt/ml/code"
        assert "changed" in (place["directory"] / "beside.py").read_text()

    def test_a_path_of_this_machine_is_no_path_within_the_folder(
        self, place: dict, project: SimpleNamespace
    ):
        program = str(project.code / "inference.py")
        environment = {PROGRAM: program, DIRECTORY: f"file://{project.code}"}
        with pytest.raises(errors.ConfigurationError, match="give its path within that folder"):
            script.stage(environment, **place)

    def test_an_archive_in_a_bucket_is_fetched(
        self, place: dict, project: SimpleNamespace, moto_aws: str
    ):
        client = boto3.client("s3")
        client.create_bucket(Bucket="mine")
        packed = model_data.pack(project.code, project.root / "code.tar.gz", needs_manifest=False)
        client.upload_file(str(packed.path), "mine", "code.tar.gz")
        place["session"] = hosting.LocalSession(boto3.Session(), default_bucket="mine")
        environment = {PROGRAM: "inference.py", DIRECTORY: "s3://mine/code.tar.gz"}
        staged = script.stage(environment, **place)
        assert staged == {PROGRAM: "inference.py", DIRECTORY: "/opt/ml/code"}
        assert (place["directory"] / "beside.py").is_file()


def test_the_bucket_that_is_missing_is_refused_where_it_is_used(session: hosting.LocalSession):
    name = session.default_bucket()
    with pytest.raises(errors.ConfigurationError, match="wants the account's default bucket"):
        session.upload_string_as_file_body("text", name, "key")
    with pytest.raises(errors.ConfigurationError, match="bucket 'other' is in an account"):
        session.read_s3_file("other", "key")
