"""Endpoints through the unmodified SDK and boto3: created, updated, deleted, failed."""

import contextlib
import json
import secrets
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from containers import docker
from emulated_aws import ECHO, OWN_IMAGE, wait_for
from process_list import seen_commands
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

from byoi import traffic

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = 4


def text_of(answer):
    return json.loads(answer["Body"].read())["text"]


def test_the_sdk_deploys_predicts_updates_and_deletes(aws, archive):
    session = aws.sdk_session()
    model = Model(
        image_uri=OWN_IMAGE,
        model_data=aws.upload(archive),
        role=aws.role,
        env=ECHO,
        predictor_cls=Predictor,
        sagemaker_session=session,
    )
    predictor = model.deploy(
        initial_instance_count=1,
        instance_type="ml.m5.large",
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        wait=False,
    )
    session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
    answer = predictor.predict({"text": "A film"})
    assert answer["text"] == '{"text": "A film"}'
    assert answer["content_type"] == "application/json"
    assert answer["accept"] == "application/json"

    predictor.update_endpoint(initial_instance_count=2, instance_type="ml.c6i.large", wait=False)
    session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
    described = aws.settled(predictor.endpoint_name)
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert predictor.predict({"text": "A film"})["text"] == '{"text": "A film"}'

    predictor.delete_model()
    predictor.delete_endpoint()
    aws.wait_until_deleted(predictor.endpoint_name)
    assert aws.endpoints() == []


@contextlib.contextmanager
def asked(aws, name):
    """Ask without a pause; yield a function that waits for new answers and names their servers."""

    def ask():
        answer = json.loads(aws.invoke(name)["Body"].read())
        return answer["host"], answer["pid"]

    with traffic.going_on(ask, threads=CLIENTS) as seen:

        def servers():
            # What was on its way may still be an old answer.
            first = len(seen.exchanges) + CLIENTS
            wait_for(lambda: len(seen.exchanges) > first + 3 * CLIENTS, "no answers come")
            return {one.answer for one in seen.exchanges[first:]}

        yield servers
    assert seen.failures == []


def by_sdk(aws, name, config):
    aws.sdk_session().update_endpoint(name, config, wait=False)


def by_boto3(aws, name, config):
    aws.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)


@pytest.mark.parametrize("update", [by_sdk, by_boto3])
def test_an_update_fails_no_request(aws, archive, update):
    model = aws.model(aws.upload(archive))
    old, new = aws.config(model), aws.config(model)
    with aws.endpoint(old) as name, asked(aws, name) as servers:
        before = servers()
        update(aws, name, new)
        described = aws.sagemaker.describe_endpoint(EndpointName=name)
        assert described["EndpointStatus"] == "Updating"
        assert described["EndpointConfigName"] == old
        described = aws.settled(name)
        assert described["EndpointConfigName"] == new
        assert "FailureReason" not in described
        assert not before & servers()


def test_a_failed_update_leaves_the_old_one_serving(aws, archive):
    good = aws.config(aws.model(aws.upload(archive)))
    bad = aws.config(aws.model(f"s3://{aws.bucket}/absent/model.tar.gz"))
    with aws.endpoint(good) as name, asked(aws, name) as servers:
        before = servers()
        aws.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=bad)
        described = aws.settled(name)
        assert described["EndpointStatus"] == "InService"
        assert described["EndpointConfigName"] == good
        assert "absent/model.tar.gz: there is no such object" in described["FailureReason"]
        assert servers() == before


def scale(aws, name, **wanted):
    aws.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "variant-0", **wanted}]
    )


def test_more_and_fewer_instances_fail_no_request(aws, archive):
    config = aws.config(aws.model(aws.upload(archive)))
    with aws.endpoint(config) as name, asked(aws, name) as servers:
        for count in (3, 1):
            scale(aws, name, DesiredInstanceCount=count)
            described = aws.sagemaker.describe_endpoint(EndpointName=name)
            assert described["EndpointStatus"] == "Updating"
            (variant,) = described["ProductionVariants"]
            assert variant["DesiredInstanceCount"] == count
            assert variant["CurrentInstanceCount"] == 4 - count
            (variant,) = aws.settled(name)["ProductionVariants"]
            assert variant["CurrentInstanceCount"] == count
            assert len(servers()) == count
        with pytest.raises(ClientError, match="does not emulate a variant with no instance"):
            scale(aws, name, DesiredInstanceCount=0)


def test_an_instance_that_does_not_start_leaves_the_number_as_it_was(
    in_processes, archive, tmp_path
):
    aws = in_processes
    mark = tmp_path / "mark"
    only_once = (
        f"import os, pathlib\nmark = pathlib.Path({str(mark)!r})\n"
        "if mark.exists(): raise RuntimeError('there is one already')\n"
        "mark.touch()\n"
    )
    echo = (ROOT / "toys" / "echo.py").read_text()
    (tmp_path / "echo.py").write_text(only_once + echo)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "echo.py", "echo.py")
    with aws.endpoint(aws.config(aws.model(aws.upload(tmp_path / "model.tar.gz")))) as name:
        scale(aws, name, DesiredInstanceCount=2, DesiredWeight=3)
        described = aws.settled(name)
        assert "there is one already" in described["FailureReason"]
        (variant,) = described["ProductionVariants"]
        assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (1, 1.0)
        assert text_of(aws.invoke(name)) == "hello"


def test_two_variants_share_the_requests_by_weight(aws, archive):
    data = aws.upload(archive)
    config = aws.config(aws.model(data), aws.model(data), InitialVariantWeight=1.0)
    with aws.endpoint(config) as name:
        seen = {aws.invoke(name)["InvokedProductionVariant"] for _ in range(40)}
        assert seen == {"variant-0", "variant-1"}
        for variant in seen:
            answer = aws.invoke(name, TargetVariant=variant)
            assert answer["InvokedProductionVariant"] == variant
        with pytest.raises(ClientError, match="Variant other does not exist"):
            aws.invoke(name, TargetVariant="other")
        aws.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[
                {"VariantName": "variant-0", "DesiredWeight": 0},
                {"VariantName": "variant-1", "DesiredWeight": 3},
            ],
        )
        variants = aws.settled(name)["ProductionVariants"]
        assert [one["CurrentWeight"] for one in variants] == [0.0, 3.0]
        seen = {aws.invoke(name)["InvokedProductionVariant"] for _ in range(20)}
        assert seen == {"variant-1"}


def test_instances_of_a_variant_answer_in_turn(aws, archive):
    with aws.endpoint(aws.config(aws.model(aws.upload(archive)), InitialInstanceCount=2)) as name:
        streams = aws.logs.describe_log_streams(logGroupName=f"/aws/sagemaker/Endpoints/{name}")
        assert len(streams["logStreams"]) == 2
        for number in range(6):
            aws.invoke(name, f"turn-{number}".encode())

        def counts():
            found = []
            for stream in streams["logStreams"]:
                events = aws.logs.get_log_events(
                    logGroupName=f"/aws/sagemaker/Endpoints/{name}",
                    logStreamName=stream["logStreamName"],
                )["events"]
                lines = [event["message"] for event in events]
                found.append(sum('"path":"/invocations"' in line for line in lines))
            return found

        # The access log is written in blocks, within a tenth of a second.
        wait_for(lambda: sum(counts()) == 6, "six lines in the access logs")
        assert counts() == [3, 3]


def test_ten_endpoints_at_once_answer_for_themselves(aws, archive):
    config = aws.config(aws.model(aws.upload(archive)))
    names = [f"at-once-{number}" for number in range(10)]
    for name in names:
        aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    statuses = [aws.settled(name) for name in names]
    assert {one["EndpointStatus"] for one in statuses} == {"InService"}
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda name: text_of(aws.invoke(name, name.encode())), names))
    assert answers == names
    for name in names:
        aws.sagemaker.delete_endpoint(EndpointName=name)
    for name in names:
        aws.wait_until_deleted(name)


def test_a_name_is_taken_until_its_endpoint_is_gone(in_processes, archive):
    aws = in_processes
    config = aws.config(aws.model(aws.upload(archive)))
    with aws.endpoint(config) as name:
        with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
            aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        aws.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            aws.sagemaker.delete_endpoint(EndpointName=name)
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            aws.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    for call in (aws.sagemaker.delete_endpoint, aws.sagemaker.describe_endpoint):
        with pytest.raises(ClientError, match="Could not find endpoint"):
            call(EndpointName=name)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"no archive at all", "not a complete gzip tar"),
        (None, "there is no such object"),
    ],
)
def test_bad_model_data_is_named(aws, tmp_path, content, cause):
    uri = f"s3://{aws.bucket}/missing/model.tar.gz"
    if content is not None:
        (tmp_path / "model.tar.gz").write_bytes(content)
        uri = aws.upload(tmp_path / "model.tar.gz")
    reason = aws.failure_reason(aws.config(aws.model(uri)))
    assert uri in reason
    assert cause in reason


def test_an_archive_that_leads_outside_is_refused(aws, tmp_path):
    (tmp_path / "file").write_text("out")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "file", "../escaped")
    config = aws.config(aws.model(aws.upload(tmp_path / "model.tar.gz")))
    assert "unsafe member" in aws.failure_reason(config)


def test_a_server_that_fails_to_load_is_named_with_its_last_words(aws, tmp_path):
    (tmp_path / "broken.py").write_text("raise RuntimeError('the weights do not fit')\n")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "broken.py", "echo.py")
    reason = aws.failure_reason(aws.config(aws.model(aws.upload(tmp_path / "model.tar.gz"))))
    assert "did not pass the ping health check: it ended with exit code" in reason
    assert "before /ping answered 200" in reason
    assert "the weights do not fit" in reason


def test_a_script_that_is_not_there_is_named(aws):
    reason = aws.failure_reason(aws.config(aws.model(None, Environment={"SAGEMAKER_PROGRAM": "a"})))
    assert "code/a.py': no such file" in reason
    assert "SAGEMAKER_SUBMIT_DIRECTORY" in reason
    fetched = {"SAGEMAKER_PROGRAM": "a.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://b/code.tar.gz"}
    reason = aws.failure_reason(aws.config(aws.model(None, Environment=fetched)))
    assert "Nothing is fetched at start" in reason


# What shells, compose files, and formats of a name and a value would take apart.
VALUES = {
    "LINES": "one\ntwo\r\nthree\n",
    "SIGNS": "a=b=c # no comment; $HOME ${PATH} `id` %s \\n",
    "QUOTES": "it's \"quoted\" 'twice'",
    "WORDS": "Gr\u00f6\u00dfe \u6d4b\u8bd5",
    "BLANKS": "  \t ",
}


def test_variables_arrive_as_they_are_and_on_no_process_list(aws, tmp_path):
    prints = (
        """
def model_fn(model_dir):
    import os
    return {name: os.environ[name] for name in """
        + repr([*VALUES, "SECRET"])
        + """}
def predict_fn(data, model): return model
def input_fn(body, content_type): return body
def output_fn(prediction, accept):
    import json
    return json.dumps(prediction), "application/json"
"""
    )
    (tmp_path / "own.py").write_text(prints)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "own.py", "own.py")
    variables = {**VALUES, "SECRET": secrets.token_hex(16)}
    module = {"BYOI_INFERENCE_MODULE": "/opt/ml/model/own.py"}
    uri = aws.upload(tmp_path / "model.tar.gz")
    with seen_commands() as seen:
        config = aws.config(aws.model(uri, Environment=variables | module))
        with aws.endpoint(config) as name:
            assert json.loads(aws.invoke(name)["Body"].read()) == variables
    assert any(b"byoi" in command for command in seen)
    assert not [command for command in seen if variables["SECRET"].encode() in command]


def test_no_image_of_another_name_runs_without_an_engine(in_processes):
    aws = in_processes
    reason = aws.failure_reason(aws.config(aws.model(None, Image="nginx:latest")))
    assert "nginx:latest was not run: no container engine is in use" in reason
    isolated = aws.model(None, EnableNetworkIsolation=True)
    assert "EnableNetworkIsolation needs" in aws.failure_reason(aws.config(isolated))
    assert "NO IMAGE IS RUN (processes were asked for)" in aws.emulator.notice


@pytest.mark.needs("docker")
class TestForeignImages:
    """On containers: another image, and every way in which one fails."""

    def test_one_serves_with_its_environment_and_nothing_else(self, in_containers, stranger):
        environment = {"GREETING": "hello"}
        model = in_containers.model(None, Image=stranger, Environment=environment)
        with in_containers.endpoint(in_containers.config(model)) as name:
            seen = json.loads(in_containers.invoke(name)["Body"].read())
        assert seen["argv"] == ["serve"]
        assert seen["environ"]["GREETING"] == "hello"
        assert not [key for key in seen["environ"] if key.startswith(("AWS_", "SAGEMAKER_"))]

    @pytest.mark.parametrize("is_isolated", [True, False])
    def test_isolation_leaves_no_way_out(self, in_containers, stranger, is_isolated):
        model = in_containers.model(
            None, Image=stranger, Environment={}, EnableNetworkIsolation=is_isolated
        )
        shown = in_containers.sagemaker.describe_model(ModelName=model)
        assert shown["EnableNetworkIsolation"] is is_isolated
        other = docker("run", "--detach", "--rm", stranger).strip()
        try:
            address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
            url = f"http://{docker('inspect', '--format', address, other).strip()}:8080/"
            with in_containers.endpoint(in_containers.config(model)) as name:
                seen = json.loads(in_containers.invoke(name, url.encode())["Body"].read())
        finally:
            docker("rm", "--force", other)
        assert seen["outside"] is not is_isolated

    @pytest.mark.parametrize(
        ("behaviour", "cause"),
        [
            (
                "exit 3",
                "exit code 3 before /ping answered 200. Its log ends with: the last words of the",
            ),
            ("exit 127", "exit code 127 (the program, or a library it needs, was not found)"),
            ("exit 139", "exit code 139 (it crashed with a segmentation fault)"),
        ],
    )
    def test_an_exit_is_named_with_its_code_and_last_words(
        self, in_containers, stranger, behaviour, cause
    ):
        model = in_containers.model(None, Image=stranger, Environment={"BEHAVIOUR": behaviour})
        assert cause in in_containers.failure_reason(in_containers.config(model))

    def test_an_image_that_is_nowhere_is_named(self, in_containers):
        for image in ("byoi-nowhere:1", "127.0.0.1:9/byoi:1"):
            model = in_containers.model(None, Image=image)
            reason = in_containers.failure_reason(in_containers.config(model))
            assert f"the image {image} was not found" in reason

    def test_an_image_without_serve_is_named(self, in_containers, mute_image):
        model = in_containers.model(None, Image=mute_image)
        reason = in_containers.failure_reason(in_containers.config(model))
        assert "could not be started with the argument `serve`" in reason
        assert 'exec: "serve"' in reason


def test_a_tag_that_is_given_again_has_its_new_value_only(in_processes):
    aws = in_processes
    aws.model("s3://nowhere/model.tar.gz")
    arn = aws.sagemaker.list_models()["Models"][0]["ModelArn"]
    for value in ("today", "tomorrow"):
        aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "until", "Value": value}])
    tags = aws.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "until", "Value": "tomorrow"}]
