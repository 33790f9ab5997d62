"""Endpoints through the unmodified SDK and boto3: created, seen, updated, deleted, failed."""

from emulated_aws import ECHO, OWN_IMAGE
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer


def test_the_sdk_deploys_predicts_and_deletes(aws, archive):
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
    predictor.delete_model()
    predictor.delete_endpoint()
    aws.wait_until_deleted(predictor.endpoint_name)
    assert aws.sagemaker.list_endpoints()["Endpoints"] == []
    assert aws.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert aws.sagemaker.list_models()["Models"] == []
