"""Where a REST API of API Gateway answers."""

from typing import Any
from urllib.parse import urlsplit

_SERVICE = "apigateway."


def invoke_url(client: Any, api_id: str, stage: str) -> str:
    """Return the URL below which an API's resources are.

    Args:
        client: boto3's `apigateway` client; the API is where its own calls go.
        api_id: The API's id.
        stage: The stage's name.

    Returns:
        On AWS `https://ID.execute-api.REGION.amazonaws.com/STAGE`; on the emulator, whose host
        has one name only, a path of it.

    Source: API Gateway Developer Guide, "Invoke REST APIs in API Gateway".
    """
    endpoint = str(client.meta.endpoint_url)
    host = urlsplit(endpoint).hostname or ""
    if host.startswith(_SERVICE):
        return f"https://{api_id}.execute-api.{host.removeprefix(_SERVICE)}/{stage}"
    return f"{endpoint}/restapis/{api_id}/{stage}/_user_request_"
