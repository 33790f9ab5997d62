"""Endpoints through the SDK's session and Predictor, deployed as from the command line."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import BROKEN, existing, left_as_found, other_archive
from emulated_aws import ECHO, OWN_IMAGE, Aws
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

from byoi import deployment, errors, hosting, model_data
from byoi.deployment import inventory, invocation

MACHINE = {"instance_type": "ml.m5.large", "environment": ECHO}
CODECS = {"serializer": JSONSerializer(), "deserializer": JSONDeserializer()}


@pytest.fixture
def account(in_processes: Aws) -> Iterator[deployment.Account]:
    with left_as_found(in_processes) as found:
        yield found


@pytest.fixture
def session(account: deployment.Account) -> hosting.aws_session:
    return hosting.aws_session(account)


def test_the_session_asks_nobody_for_its_bucket(session, account: deployment.Account) -> None:
    called: list[str] = []
    account.session.events.register("before-call.*.*", lambda model, **_: called.append(model.name))
    assert session.default_bucket() == account.bucket()
    assert "GetCallerIdentity" not in called
    assert session.sagemaker_runtime_client is account.runtime
    assert session.sagemaker_client is account.sagemaker


def test_it_uploads_and_reads_back(session, tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("hello", encoding="utf-8")
    uri = session.upload_data(str(file), key_prefix="notes")
    assert uri == f"s3://{session.default_bucket()}/notes/note.txt"
    assert session.read_s3_file(session.default_bucket(), "notes/note.txt") == "hello"


def test_the_sdks_own_model_deploys_with_it(session, in_processes: Aws, archive: Path) -> None:
    model = Model(
        OWN_IMAGE,
        in_processes.upload(archive),
        in_processes.role,
        Predictor,
        env=ECHO,
        sagemaker_session=session,
    )
    predictor = model.deploy(1, "ml.m5.large", wait=False, **CODECS)
    session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
    assert predictor.predict({"text": "A"})["text"] == '{"text": "A"}'
    endpoint = hosting.Endpoint(predictor)
    endpoint.delete()
    assert endpoint.remains() == []


def test_an_endpoint_is_deployed_asked_and_deleted(session, archive: Path) -> None:
    with hosting.endpoint(OWN_IMAGE, archive, session=session, **MACHINE, **CODECS) as predictor:
        assert predictor.predict({"text": "A"})["text"] == '{"text": "A"}'
        (found,) = inventory.find_endpoints(session.account)
        assert found.name == predictor.endpoint_name
        assert found.expires is not None
    assert inventory.find_endpoints(session.account) == []


def test_the_same_again_is_the_same_endpoint(session, archive: Path) -> None:
    one = hosting.Endpoint.deploy(OWN_IMAGE, archive, session=session, **MACHINE)
    two = hosting.Endpoint.deploy(OWN_IMAGE, archive, session=session, **MACHINE)
    assert one.name == two.name
    assert one.remains() == two.remains()
    two.delete()
    assert one.remains() == []
    one.delete()


def test_each_form_of_the_same_model_data_is_the_same_endpoint(session, archive: Path) -> None:
    forms = [str(archive), f"file://{archive}", model_data.ModelData(archive, "", 1)]
    first = hosting.Endpoint.deploy(OWN_IMAGE, archive, session=session, **MACHINE)
    for form in forms:
        again = hosting.Endpoint.deploy(OWN_IMAGE, form, session=session, **MACHINE)
        assert again.name == first.name
    first.delete()


def test_something_else_under_the_same_name_is_an_update(
    session, archive: Path, tmp_path: Path
) -> None:
    named = {"session": session, "name": "named", **MACHINE}
    hosting.Endpoint.deploy(OWN_IMAGE, archive, **named)
    said: list[str] = []
    other = other_archive(tmp_path)
    changed = hosting.Endpoint.deploy(OWN_IMAGE, other, progress=said.append, **named)
    assert json.loads(changed.predictor.predict(b"hello"))["text"] == "LOUD"
    assert "updating endpoint named; the old one answers" in said
    changed.delete()


def test_an_image_with_a_digest_has_names_sagemaker_takes(session, archive: Path) -> None:
    image = "byoi@sha256:" + "0" * 64
    endpoint = hosting.Endpoint.deploy(image, archive, session=session, **MACHINE)
    assert "@" not in endpoint.name
    model = session.sagemaker_client.describe_model(ModelName=endpoint._models[0])
    assert model["PrimaryContainer"]["Image"] == image
    endpoint.delete()


def test_a_failure_is_named_and_leaves_nothing(session, archive: Path) -> None:
    before = existing(session.account)
    broken = {**MACHINE, "environment": BROKEN}
    with pytest.raises(errors.EndpointFailedError, match="no_such_module"):
        hosting.Endpoint.deploy(OWN_IMAGE, archive, session=session, **broken)
    assert existing(session.account) == before


def test_a_session_made_by_hand_leads_to_its_own_account(
    in_processes: Aws, account: deployment.Account, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in in_processes.emulator.variables.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    session = in_processes.sdk_session()
    with hosting.endpoint(OWN_IMAGE, archive, session=session, **MACHINE) as predictor:
        assert json.loads(predictor.predict(b"hello"))["text"] == "hello"


def test_what_a_container_refuses_is_told_by_its_own_words(session, tmp_path: Path) -> None:
    raising = other_archive(
        tmp_path, "    command, _, argument", "    raise ValueError()\n    _, _, _"
    )
    endpoint = hosting.Endpoint.deploy(OWN_IMAGE, raising, session=session, **MACHINE)
    with pytest.raises(errors.InvocationError, match=r"status 500: .*raised ValueError") as caught:
        invocation.invoke(
            session.account.runtime, endpoint.name, b"hello", content_type="text/plain"
        )
    assert caught.value.status == 500
    assert f"/aws/sagemaker/Endpoints/{endpoint.name}" in str(caught.value)
    endpoint.delete()


def test_an_archive_without_its_end_is_refused_before_anything_is_made(
    session, tmp_path: Path
) -> None:
    path = tmp_path / "model.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("x"))
    with pytest.raises(errors.ModelDataError, match="byoi pack"):
        hosting.Endpoint.deploy(OWN_IMAGE, path, session=session, **MACHINE)
