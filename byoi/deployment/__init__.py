"""Deploy endpoints: report progress, cost and failures, and clean up afterwards.

* `connect`, `Account`: clients, bucket and execution role of the account
* `EndpointSpec`, `Placement`, `prepare`: what is wanted, where it runs, and the plan, checks,
  price and upload for it
* `Plan`, `deploy`, `Outcome`: create or update an endpoint; a failure has its cause and log
* `wait`: until an endpoint is in service, or has failed
* `invoke`, `streamed`, `invoke_url`: call an endpoint by its name, for an answer or its pieces;
  the URL of a REST API in front of one
* `make_tags`: the tags that say whose an endpoint is and when it expires
* `find_endpoints`, `find_expired`, `delete_endpoints`: what runs, and its end
* `find_everything`: endpoints and everything around them
* `check_image`, `platform_of`: whether SageMaker takes an image, and for which processor

boto3 only; the SDK is in `byoi.hosting`.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi.deployment.account import Account, connect, invoke_url
    from byoi.deployment.image import check_image, platform_of
    from byoi.deployment.inventory import (
        delete_endpoints,
        find_endpoints,
        find_everything,
        find_expired,
    )
    from byoi.deployment.invocation import invoke, streamed
    from byoi.deployment.placement import Placement
    from byoi.deployment.plan import EndpointSpec, Plan
    from byoi.deployment.preparation import prepare
    from byoi.deployment.rollout import Outcome, deploy
    from byoi.deployment.tags import make as make_tags
    from byoi.deployment.waiting import wait
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "Account": "account",
            "EndpointSpec": "plan",
            "Outcome": "rollout",
            "Placement": "placement",
            "Plan": "plan",
            "check_image": "image",
            "connect": "account",
            "delete_endpoints": "inventory",
            "deploy": "rollout",
            "find_expired": "inventory",
            "invoke": "invocation",
            "streamed": "invocation",
            "invoke_url": "account",
            "find_endpoints": "inventory",
            "find_everything": "inventory",
            "make_tags": "tags:make",
            "platform_of": "image",
            "prepare": "preparation",
            "wait": "waiting",
        },
    )

__all__ = [
    "Account",
    "EndpointSpec",
    "Outcome",
    "Placement",
    "Plan",
    "check_image",
    "connect",
    "delete_endpoints",
    "deploy",
    "find_endpoints",
    "find_everything",
    "find_expired",
    "invoke",
    "invoke_url",
    "make_tags",
    "platform_of",
    "prepare",
    "streamed",
    "wait",
]
