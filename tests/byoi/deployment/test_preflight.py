"""What becomes of findings; what is found, the tests of each check and the emulator's show."""

import pytest

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
    assert preflight.to_text(finding) == text


def test_what_could_not_be_told_stops_nothing() -> None:
    preflight.require([GOOD, UNTOLD])


def test_all_failures_are_in_one_error() -> None:
    with pytest.raises(errors.ConfigurationError, match="nothing was made") as caught:
        preflight.require([GOOD, BAD, UNTOLD, WORSE])
    said = str(caught.value)
    assert all(part in said for part in (BAD.what, BAD.remedy, WORSE.what, WORSE.remedy))
    assert GOOD.what not in said
    assert UNTOLD.what not in said
