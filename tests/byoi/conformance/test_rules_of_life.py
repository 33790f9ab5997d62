"""Each rule of launch, network, files, end, training and logs fails for its fault alone."""

import json
import os
import subprocess
import sys

import pushed_images
import pytest
from faults_of_life import FAULTS, IMAGE_FAULTS, LABEL, LIST, SLOW, VALUE
from life_subject import LifeSubject

from byoi.conformance import Case, Given, Verdict, all_rules, check, selected
from byoi.conformance.proc import Process, read_processes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, and runs as other users: root")
CONFIG = {
    "Entrypoint": ["python3", "/faulty_life.py"],
    "Labels": {LABEL: VALUE},
    "Env": [],
    "User": "",
}
LAUNCH = [f"RT-{number:02}" for number in range(1, 15)]
NETWORK = ["RT-16", "RT-17", "RT-18", "RT-20", "RT-21"]
FILES = [f"RT-{number}" for number in range(57, 71)]
RULES = (*LAUNCH, *NETWORK, *FILES, "SV", "PL", "IC", "TR", "OB")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("1")
    return folder


@pytest.fixture
def training_input(tmp_path):
    folder = tmp_path / "input"
    (folder / "data" / "train").mkdir(parents=True)
    (folder / "data" / "train" / "rows").write_text("1,2\n")
    (folder / "config").mkdir()
    (folder / "config" / "hyperparameters.json").write_text(json.dumps({"epochs": 4}))
    return folder


def asked(subject, given, *only):
    # A model that fails for ever is not waited for.
    report = check(Case(subject, given, late_s=1), selected(all_rules(), only))
    return {one.rule.id: one for one in report.results}


def failed(results):
    return {name: one for name, one in results.items() if one.verdict is Verdict.FAIL}


def judge(row, results):
    found = failed(results)
    assert set(found) == {row.rule, *row.others}, [
        (one.rule.id, one.seen) for one in results.values()
    ]
    told = f"{found[row.rule].seen}; {found[row.rule].remedy}"
    assert [word for word in row.words if word not in told] == [], told


@pytest.mark.parametrize("fault", FAULTS)
def test_the_rule_of_a_fault_fails_and_says_what_it_saw(fault, model, training_input):
    row = FAULTS[fault]
    subject = LifeSubject(fault, model=model, Config=CONFIG, Size=10**9)
    judge(row, asked(subject, row.given(training_input), row.rule, *row.others))


@pytest.mark.parametrize("fault", IMAGE_FAULTS)
def test_the_rule_of_an_images_fault_fails_and_says_what_it_saw(fault, model, training_input):
    row = IMAGE_FAULTS[fault]
    subject = LifeSubject(
        row.fault,
        model=model,
        files=row.files,
        **{"Size": 10**9, "Config": {**CONFIG, **row.config}, **row.more},
    )
    judge(row, asked(subject, row.given(training_input), row.rule, *row.others))


@pytest.mark.parametrize("payload", [None, LIST])
def test_without_a_fault_no_rule_fails(payload, model, training_input):
    given = Given(
        payload=payload,
        slow_payload=SLOW if payload else None,
        is_serverless=True,
        is_training=True,
        training_input=training_input,
    )
    results = asked(LifeSubject(model=model, Config=CONFIG, Size=10**9), given, *RULES)
    assert [(one.rule.id, one.seen) for one in failed(results).values()] == []
    untested = {name for name, one in results.items() if one.verdict is Verdict.NOT_TESTED}
    # The manifest is made by the push.
    assert untested == {"RT-07"} | (set() if payload else {"RT-68", "SV-07", "PL-02"})


def test_what_nobody_asked_for_does_not_apply(model):
    results = asked(LifeSubject(model=model, Config=CONFIG), Given(), "SV", "TR", "RT-02")
    assert {one.verdict for one in results.values()} == {Verdict.NOT_APPLICABLE}
    assert results["SV-05"].seen == "--serverless asks for it"
    assert results["TR-01"].seen == "--train asks for it"


def test_without_a_training_input_the_failure_of_a_job_is_tested(model):
    given = Given(is_training=True)
    results = asked(LifeSubject(model=model, Config=CONFIG), given, "TR")
    passed = {name for name, one in results.items() if one.verdict is Verdict.PASS}
    assert passed == {"TR-01", "TR-03", "TR-11", "TR-12"}
    assert "--training-input" in results["TR-09"].seen


def test_a_job_that_ends_well_without_input_is_made_to_fail_by_a_damaged_one(model, training_input):
    subject = LifeSubject("train_sample", model=model, Config=CONFIG)
    given = Given(is_training=True, training_input=training_input)
    results = asked(subject, given, "TR-11", "TR-12")
    assert {one.verdict for one in results.values()} == {Verdict.PASS}, results
    assert results["TR-11"].seen.startswith("/opt/ml/output/failure: ValueError: ")
    assert results["TR-12"].seen == (
        "the job with damaged files and hyperparameters ends with status 1"
    )


def test_a_server_of_one_thread_that_keeps_no_connection_gets_a_remark(model):
    subject = LifeSubject("one_thread closing", model=model, Config=CONFIG)
    [result] = asked(subject, Given(), "RT-19").values()
    assert (result.verdict, "half a request" in result.seen) == (Verdict.PASS, True), result


def test_where_no_job_fails_that_is_said_with_the_way_out(model, training_input):
    subject = LifeSubject("train_sample", model=model, Config=CONFIG)
    [result] = asked(subject, Given(is_training=True), "TR-11").values()
    assert (result.verdict, "--training-input" in result.seen) == (Verdict.NOT_TESTED, True)
    subject = LifeSubject("train_sample always", model=model, Config=CONFIG)
    given = Given(is_training=True, training_input=training_input)
    [result] = asked(subject, given, "TR-12").values()
    assert (result.verdict, "damaged" in result.seen) == (Verdict.NOT_TESTED, True)


def test_an_image_without_the_label_is_not_asked_for_ports_of_pipelines(model):
    config = {**CONFIG, "Labels": None}
    subject = LifeSubject("second_port 5001", model=model, Config=config)
    results = asked(subject, Given(), "RT-16", "RT-17", "RT-18")
    assert {one.verdict for one in results.values()} == {Verdict.NOT_APPLICABLE}
    assert "LABEL" in results["RT-18"].seen


def test_a_part_whose_end_ends_the_server_is_no_fault(model):
    [result] = asked(LifeSubject("helper", model=model, Config=CONFIG), Given(), "RT-69").values()
    assert (result.verdict, "status 3" in result.seen) == (Verdict.PASS, True), result


def test_shell_form_that_hands_sigterm_over_is_no_fault(model):
    config = {**CONFIG, "Entrypoint": ["/bin/sh", "-c", "exec python3 /faulty_life.py serve"]}
    [result] = asked(LifeSubject(model=model, Config=config), Given(), "RT-03").values()
    assert result.verdict is Verdict.PASS, result


def test_another_user_counts_where_permission_is_denied(model):
    config = {**CONFIG, "User": "1000"}
    [result] = asked(LifeSubject(model=model, Config=config), Given(), "RT-05").values()
    assert (result.verdict, "1000" in result.seen) == (Verdict.PASS, True), result


def test_metrics_that_are_right_are_counted(model):
    results = asked(LifeSubject("metrics", model=model, Config=CONFIG), Given(), "OB-05", "OB-07")
    assert {one.verdict for one in results.values()} == {Verdict.PASS}


@pytest.mark.parametrize(
    ("path", "verdict"),
    [("cache", Verdict.FAIL), ("code/__pycache__/inference.cpython-313.pyc", Verdict.PASS)],
)
def test_a_file_in_the_folder_of_a_model_that_is_in_the_image(path, verdict):
    made = ["/opt/ml/model", f"/opt/ml/model/{path}"]
    [result] = asked(LifeSubject(made=made, Config=CONFIG), Given(), "RT-58").values()
    assert result.verdict is verdict, result
    assert "read-only" in result.seen


def test_a_telling_line_from_before_the_requests_is_no_cause(model):
    """Of something that the server does without, though a request fails for another reason."""
    subject = LifeSubject("fails_after_warnings", model=model, Config=CONFIG)
    results = asked(subject, Given(), "RT-20", "RT-58")
    assert {one.verdict for one in results.values()} == {Verdict.PASS}, results


def test_model_data_that_others_cannot_read_is_no_fault_of_the_image(model):
    (model / "weights").chmod(0o600)
    subject = LifeSubject(model=model, Config=CONFIG)
    [result] = asked(subject, Given(is_serverless=True), "SV-05").values()
    assert result.verdict is Verdict.NOT_TESTED
    assert "chmod" in result.seen


def test_a_file_outside_of_tmp_is_no_fault_on_instances(model):
    subject = LifeSubject("needs_root", model=model, Config=CONFIG)
    [result] = asked(subject, Given(payload=LIST), "RT-66").values()
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "Read-only file system" in result.seen


def test_a_start_that_takes_longer_than_serverless_allows(model):
    case = Case(LifeSubject(model=model, Config=CONFIG), Given(is_serverless=True))
    case.server().ready_s = 200.0
    report = check(case, selected(all_rules(), ["SV-06"]))
    assert "200 s after the start; the limit is 180 s" in report.failures[0].seen


@pytest.mark.parametrize(
    ("media_type", "verdict"),
    [
        (pushed_images.DOCKER, Verdict.PASS),
        (pushed_images.OCI, Verdict.FAIL),
        (pushed_images.OCI_INDEX, Verdict.FAIL),
    ],
)
def test_the_manifest_in_the_registry_counts(image_registry, media_type, verdict):
    address = image_registry()
    pushed_images.put_image(address, "byoi:1", media_type)
    subject = LifeSubject(name=f"{address}/byoi:1", Config=CONFIG)
    [result] = asked(subject, Given(), "RT-07").values()
    assert (result.verdict, media_type in result.seen) == (verdict, True)


def test_a_registry_without_the_image_is_no_verdict(image_registry):
    subject = LifeSubject(name=f"{image_registry()}/byoi:1", Config=CONFIG)
    [result] = asked(subject, Given(), "RT-07").values()
    assert result.verdict is Verdict.NOT_TESTED
    assert "push the image" in result.seen


def test_an_engine_that_knows_the_manifest_is_asked_first():
    subject = LifeSubject(Config=CONFIG, Descriptor={"mediaType": pushed_images.OCI_INDEX})
    [result] = asked(subject, Given(), "RT-07").values()
    assert result.verdict is Verdict.FAIL


def test_a_long_name_is_refused():
    [result] = asked(LifeSubject(name="x" * 256, Config=CONFIG), Given(), "RT-09").values()
    assert "256 characters; the limit is 255" in result.seen


def test_a_training_input_that_is_not_there_is_named():
    command = ["check", "image", "--training-input", "/nowhere", "--only", "TR"]
    done = subprocess.run(
        [sys.executable, "-m", "byoi.cli", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        "byoi: error: --training-input /nowhere: it does not exist; expected a folder with config/ "
        "and data/CHANNEL/, as /opt/ml/input has them\n"
    )


def test_processes_are_read_as_the_kernel_writes_them():
    text = "7 (a (b) c) S 1 7 7 0\n8 (sh) Z 1 8\n9 (x) R 7 9\nnothing\n"
    assert read_processes(text) == [Process(7, 1, "a (b) c"), Process(9, 7, "x")]
