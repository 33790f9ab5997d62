"""What happens before a deployment, in each form in which a user may name model data."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byoi import deployment, errors
from byoi.deployment.placement import Placement
from byoi.deployment.plan import EndpointSpec
from byoi.deployment.preparation import prepare
from byoi.model_data import ModelData

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/byoi:1"
BUCKET = "byoi-models"
# Each names the same archive of this machine.
FORMS: dict[str, Callable[[Path], Any]] = {
    "path": Path,
    "text": str,
    "packed": lambda path: ModelData(path, "", 1),
    "file URI": lambda path: f"file://{path}",
}


@pytest.fixture
def account(moto_aws: str) -> deployment.Account:
    role = "arn:aws:iam::123456789012:role/byoi"
    made = deployment.connect({**os.environ, "BYOI_BUCKET": BUCKET, "BYOI_ROLE_ARN": role})
    made.client("s3").create_bucket(Bucket=BUCKET)
    return made


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(b"model")
    return path


def specify(model_data: Any, **changes: Any) -> EndpointSpec:
    return EndpointSpec(IMAGE, model_data, **{"name": "reviews", "is_checked": False, **changes})


@pytest.mark.parametrize("form", FORMS)
def test_model_data_of_this_machine_is_uploaded_in_each_form(
    account: deployment.Account, archive: Path, form: str
) -> None:
    said: list[str] = []
    prepared = prepare(account, specify(FORMS[form](archive)), progress=said.append)
    assert prepared.archive == archive
    url = prepared.plan.model_data_url
    assert url
    assert url.startswith(f"s3://{BUCKET}/byoi/")
    assert said == ["price: not known offline", f"uploaded {archive} to {url}"]
    key = url.removeprefix(f"s3://{BUCKET}/")
    stored = account.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert stored == archive.read_bytes()


def test_a_folder_is_uploaded_as_it_is_and_what_is_asked_for_is_said(
    account: deployment.Account, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "inference.py").write_text("code")
    (folder / "weights.bin").write_bytes(b"weights")
    key = "1234abcd-12ab-34cd-56ef-1234567890ab"
    said: list[str] = []
    wanted = specify(folder, placement=Placement(has_network=False, kms_key=key))
    url = prepare(account, wanted, progress=said.append).plan.model_data_url
    assert url
    assert url.startswith(f"s3://{BUCKET}/byoi/")
    assert url.endswith("/model/")
    assert said == [
        f"model data: the files below {url}, not packed",
        "network: none, the container can call nobody (EnableNetworkIsolation)",
        f"key: {key}, for the volume of each instance and what is uploaded",
        "price: not known offline",
        f"uploaded 2 files of {folder} to {url}",
    ]
    prefix = url.removeprefix(f"s3://{BUCKET}/")
    assert objects(account) == [f"{prefix}code/inference.py", f"{prefix}weights.bin"]
    stored = account.client("s3").head_object(Bucket=BUCKET, Key=f"{prefix}weights.bin")
    assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", key)
    again: list[str] = []
    assert prepare(account, wanted, progress=again.append).plan.model_data_url == url
    assert not [line for line in again if line.startswith("uploaded")]


def test_another_key_is_another_place(account: deployment.Account, archive: Path) -> None:
    def url(**changes: Any) -> str | None:
        return prepare(account, specify(archive, **changes)).plan.model_data_url

    assert url() != url(placement=Placement(kms_key="alias/mine"))
    assert url(placement=Placement(volume_gb=9)) == url()
    stored = [account.client("s3").head_object(Bucket=BUCKET, Key=key) for key in objects(account)]
    assert sorted(one.get("SSEKMSKeyId", "") for one in stored) == ["", "alias/mine"]


def test_each_form_is_the_same_plan(account: deployment.Account, archive: Path) -> None:
    plans = [prepare(account, specify(form(archive))).plan for form in FORMS.values()]
    assert plans == [plans[0]] * len(FORMS)


def test_model_data_in_s3_is_used_where_it_is(account: deployment.Account) -> None:
    url = f"s3://{BUCKET}/mine/model.tar.gz"
    account.client("s3").put_object(Bucket=BUCKET, Key="mine/model.tar.gz", Body=b"model")
    prepared = prepare(account, specify(url))
    assert (prepared.plan.model_data_url, prepared.archive) == (url, None)
    assert prepared.plan.model_digest
    assert objects(account) == ["mine/model.tar.gz"]


def test_model_data_in_the_image_is_neither_planned_nor_uploaded(
    account: deployment.Account,
) -> None:
    prepared = prepare(account, specify(None))
    assert (prepared.plan.model_data_url, prepared.archive) == (None, None)
    assert objects(account) == []


@pytest.mark.parametrize(
    ("model_data", "error", "said"),
    [
        (
            "https://example.org/model.tar.gz",
            errors.ConfigurationError,
            r"a path, a file:// or an s3:// URI, received 'https://example",
        ),
        ("file:///absent/model.tar.gz", errors.ModelDataError, "/absent/model.tar.gz: no such"),
        ("absent.tar.gz", errors.ModelDataError, "absent.tar.gz: no such archive"),
        ("s3://", errors.ConfigurationError, "expected s3://BUCKET/KEY"),
        (f"s3://{BUCKET}", errors.ConfigurationError, "expected s3://BUCKET/KEY"),
    ],
)
def test_other_model_data_is_refused_by_its_name(
    account: deployment.Account, model_data: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        prepare(account, specify(model_data))


def test_nothing_is_uploaded_where_a_check_fails(
    account: deployment.Account, archive: Path
) -> None:
    said: list[str] = []
    with pytest.raises(errors.ConfigurationError, match="nothing was created") as caught:
        prepare(account, specify(archive, is_checked=True), progress=said.append)
    assert "execution role" in str(caught.value)
    assert f"ok: bucket {BUCKET}" in said
    assert not any(line.startswith(("FAILED", "price")) for line in said)
    assert objects(account) == []


def test_without_a_name_it_follows_from_the_content(
    account: deployment.Account, archive: Path
) -> None:
    def name(**changes: Any) -> str:
        return prepare(account, specify(archive, name=None, **changes)).plan.endpoint_name

    assert name().startswith("byoi-endpoint-")
    assert name() == name()
    assert name() != name(environment={"A": "1"})
    assert name() != name(instance_type="ml.c7g.large")


def objects(account: deployment.Account) -> list[str]:
    found = account.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return [one["Key"] for one in found]
