"""Deploy endpoints: report progress, cost and failures, and clean up afterwards.

* `connect`, `Account`: clients, bucket and execution role of the account
* `make_plan`, `Plan`: one endpoint as it shall be
* `deploy`, `Outcome`: create or update it; a failure has its cause and the container's log
* `wait`: until an endpoint is in service, or has failed
* `invoke`, `invoke_url`: call an endpoint by its name; the URL of a REST API in front of one
* `make_tags`: the tags that say whose an endpoint is and when it expires
* `find_endpoints`, `find_expired`, `delete_endpoints`: what runs, and its end
* `find_everything`: endpoints and all that lies around them
* `HttpRegistry`, `check_image`, `platform_of`: what an image registry holds, and for which CPU

boto3 only; the SDK is in `byoi.hosting`.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi.deployment.account import Account, connect, invoke_url
    from byoi.deployment.inventory import delete as delete_endpoints
    from byoi.deployment.inventory import everything as find_everything
    from byoi.deployment.inventory import expired as find_expired
    from byoi.deployment.inventory import running as find_endpoints
    from byoi.deployment.invocation import invoke
    from byoi.deployment.plan import Plan, make_plan
    from byoi.deployment.push import check as check_image
    from byoi.deployment.push import platform_of
    from byoi.deployment.registry import HttpRegistry
    from byoi.deployment.rollout import Outcome, deploy
    from byoi.deployment.tags import make as make_tags
    from byoi.deployment.waiting import wait
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "Account": "account",
            "HttpRegistry": "registry",
            "Outcome": "rollout",
            "Plan": "plan",
            "check_image": "push:check",
            "connect": "account",
            "delete_endpoints": "inventory:delete",
            "deploy": "rollout",
            "find_endpoints": "inventory:running",
            "find_everything": "inventory:everything",
            "find_expired": "inventory:expired",
            "invoke": "invocation",
            "invoke_url": "account",
            "make_plan": "plan",
            "make_tags": "tags:make",
            "platform_of": "push",
            "wait": "waiting",
        },
    )

__all__ = [
    "Account",
    "HttpRegistry",
    "Outcome",
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
    "make_plan",
    "make_tags",
    "platform_of",
    "wait",
]
