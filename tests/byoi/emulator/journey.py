"""What a user writes: boto3 and the SDK's public calls, nothing of this project.

`python journey.py IMAGE FIRST.tar.gz SECOND.tar.gz` prints one JSON object. Where it runs
is the environment's business.
"""

import json
import os
import sys
import threading
from importlib import metadata

import boto3
import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

REVIEWS = ["A wonderful film, I loved it.", "A dull, clumsy and boring film."]
NAME = "journey"
MACHINE = {"initial_instance_count": 1, "instance_type": "ml.m5.large"}


def main(image: str, first: str, second: str) -> dict[str, object]:
    session = sagemaker.Session()
    client = boto3.client("sagemaker")
    in_service = client.get_waiter("endpoint_in_service")
    quick = {"Delay": 1, "MaxAttempts": 120}

    models = [
        Model(
            image_uri=image,
            model_data=session.upload_data(path, key_prefix=f"journey/{number}"),
            role=os.environ["BYOI_ROLE_ARN"],
            name=f"{NAME}-{number}",
            predictor_cls=Predictor,
            sagemaker_session=session,
        )
        for number, path in enumerate((first, second))
    ]
    predictor = models[0].deploy(endpoint_name=NAME, wait=False, **MACHINE)
    in_service.wait(EndpointName=NAME, WaiterConfig=quick)
    predictor.serializer, predictor.deserializer = JSONSerializer(), JSONDeserializer()
    before = predictor.predict({"instances": REVIEWS})["predictions"]

    try:
        predictor.predict({"instances": []})
    except session.sagemaker_runtime_client.exceptions.ModelError as error:
        refused = error.response["OriginalStatusCode"]

    answers, failures, is_over = 0, [], threading.Event()

    def ask() -> None:
        nonlocal answers
        while not is_over.is_set():
            try:
                predictor.predict({"instances": REVIEWS})
                answers += 1
            except Exception as error:  # noqa: BLE001 - any failure counts
                failures.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    models[1].create(instance_type=MACHINE["instance_type"])
    old_config = client.describe_endpoint(EndpointName=NAME)["EndpointConfigName"]
    predictor.update_endpoint(model_name=models[1].name, wait=False, **MACHINE)
    in_service.wait(EndpointName=NAME, WaiterConfig=quick)
    after = predictor.predict({"instances": REVIEWS})["predictions"]
    is_over.set()
    asking.join()

    streams = boto3.client("logs").describe_log_streams(
        logGroupName=f"/aws/sagemaker/Endpoints/{NAME}"
    )["logStreams"]

    predictor.delete_endpoint(delete_endpoint_config=True)
    client.delete_endpoint_config(EndpointConfigName=old_config)
    for model in models:
        model.delete_model()
    client.get_waiter("endpoint_deleted").wait(EndpointName=NAME, WaiterConfig=quick)
    left = [
        *client.list_endpoints()["Endpoints"],
        *client.list_endpoint_configs()["EndpointConfigs"],
        *client.list_models()["Models"],
    ]
    return {
        "before": before,
        "refused": refused,
        "answers": answers,
        "failures": failures,
        "after": after,
        "log streams": len(streams),
        "left": len(left),
        "sdk": metadata.version("sagemaker"),
    }


if __name__ == "__main__":
    print("\n" + json.dumps(main(*sys.argv[1:])))  # noqa: T201 - the result, for the test
