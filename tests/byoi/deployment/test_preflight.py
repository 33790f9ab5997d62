"""What becomes of findings; what is found, the tests of each check and the emulator's show."""

import pytest
from stubbed_account import StubbedAccount, make_plan

from byoi import errors
from byoi.deployment import preflight
from byoi.deployment.finding import Finding

GOOD = Finding("bucket byoi-data", True)
BAD = Finding("model data s3://byoi-data/a.tar.gz do not exist", False, "aws s3 cp a.tar.gz ...")
WORSE = Finding("quota: 0, used 0, needed 1", False, "ask for more")
UNTOLD = Finding("image byoi:1", None, "DescribeRepositories was refused (AccessDenied)")


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (GOOD, "ok: bucket byoi-data"),
        (BAD, f"FAILED: {BAD.what}\n    aws s3 cp a.tar.gz ..."),
        (UNTOLD, f"not known: image byoi:1\n    {UNTOLD.remedy}"),
    ],
)
def test_a_finding_is_a_line_and_its_remedy_another(finding, text) -> None:
    assert str(finding) == text


def test_what_could_not_be_told_stops_nothing() -> None:
    preflight.require([GOOD, UNTOLD])


def test_all_failures_are_in_one_error() -> None:
    with pytest.raises(errors.ConfigurationError, match="nothing was created") as caught:
        preflight.require([GOOD, BAD, UNTOLD, WORSE])
    said = str(caught.value)
    assert all(part in said for part in (BAD.what, BAD.remedy, WORSE.what, WORSE.remedy))
    assert GOOD.what not in said
    assert UNTOLD.what not in said


URL = "s3://byoi-data/byoi/model.tar.gz"
KEY = {"Bucket": "byoi-data", "Key": "byoi/model.tar.gz"}


def look(account, url=URL, **options):
    plan = make_plan(model_data_url=url)
    return list(preflight.check_model_data(account, plan, **options))


def answer_bucket(account, **answer):
    account.answer("s3", "head_bucket", answer, Bucket="byoi-data")


def test_what_is_baked_into_the_image_is_looked_for_nowhere() -> None:
    assert look(StubbedAccount(), None) == []


def test_an_archive_in_the_region_is_as_it_must_be() -> None:
    account = StubbedAccount()
    answer_bucket(account, BucketRegion="eu-central-1")
    account.answer("s3", "head_object", {"ContentLength": 12345}, **KEY)
    findings = look(account)
    assert [one.is_ok for one in findings] == [True, True]
    assert "12,345 bytes" in findings[1].what


def test_before_the_upload_only_the_bucket_is_looked_at() -> None:
    account = StubbedAccount()
    answer_bucket(account)
    assert [one.is_ok for one in look(account, is_uploaded=False)] == [True]


def test_a_bucket_of_another_region_comes_with_both_ways_out() -> None:
    account = StubbedAccount()
    answer_bucket(account, BucketRegion="us-west-2")
    (finding,) = look(account)
    assert finding.is_ok is False
    assert "AWS_DEFAULT_REGION=us-west-2" in finding.remedy


@pytest.mark.parametrize(("code", "is_ok"), [("404", False), ("403", None)])
def test_a_bucket_that_is_not_shown(code, is_ok) -> None:
    account = StubbedAccount()
    account.refuse("s3", "head_bucket", code, int(code))
    account.refuse("s3", "head_object", code, int(code))
    finding = look(account)[0]
    assert finding.is_ok is is_ok
    assert finding.remedy


@pytest.mark.parametrize(
    ("code", "is_ok", "remedy"),
    [("404", False, f"aws s3 cp model.tar.gz {URL}"), ("403", None, "HeadObject was refused")],
)
def test_an_archive_that_is_not_shown(code, is_ok, remedy) -> None:
    account = StubbedAccount()
    answer_bucket(account)
    account.refuse("s3", "head_object", code, int(code))
    finding = look(account)[1]
    assert finding.is_ok is is_ok
    assert remedy in finding.remedy


def test_an_empty_archive_is_none() -> None:
    account = StubbedAccount()
    answer_bucket(account)
    account.answer("s3", "head_object", {"ContentLength": 0}, **KEY)
    assert look(account)[1].is_ok is False


def listed(account, *keys):
    answer_bucket(account)
    found = [{"Key": f"files/{key}", "Size": 10, "ETag": '"a"'} for key in keys]
    answer = {"Contents": found} if found else {}
    account.answer("s3", "list_objects_v2", answer, Bucket="byoi-data", Prefix="files/")
    return look(account, "s3://byoi-data/files/")[1]


def test_files_below_a_prefix_are_counted() -> None:
    finding = listed(StubbedAccount(), "weights", "code/inference.py")
    assert finding.is_ok is True
    assert "2 files, 20 bytes" in finding.what


@pytest.mark.parametrize(
    ("keys", "said", "remedy"),
    [
        ((), "has no objects", "aws s3 cp --recursive DIR s3://byoi-data/files/"),
        (("weights", "weights/1"), "'weights' is a file, and a folder", "under another key"),
        (("code/", "code/a"), "'code/' cannot be the name of a file", "S3 console makes of a fold"),
        (("", "a"), "'' cannot be the name of a file", "S3 console"),
        (("a/../b",), "'a/../b' cannot be", "delete the object"),
    ],
)
def test_files_that_sagemaker_would_not_make_are_named(keys, said, remedy) -> None:
    finding = listed(StubbedAccount(), *keys)
    assert finding.is_ok is False
    assert said in finding.what
    assert remedy in finding.remedy


def test_a_prefix_that_may_not_be_listed_is_not_known() -> None:
    account = StubbedAccount()
    answer_bucket(account)
    account.refuse("s3", "list_objects_v2", "AccessDenied", 403)
    finding = look(account, "s3://byoi-data/files/")[1]
    assert (finding.is_ok, "ListObjectsV2 was refused" in finding.remedy) == (None, True)


def test_what_is_no_archive_is_not_looked_for() -> None:
    account = StubbedAccount()
    answer_bucket(account)
    finding = look(account, "s3://byoi-data/byoi/model.keras")[1]
    assert finding.is_ok is False
    assert "byoi pack" in finding.remedy
