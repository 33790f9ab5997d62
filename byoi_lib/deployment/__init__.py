"""Deploying for people: endpoints that say what they wait for, cost and fail of, and that go.

boto3 only; the SDK is in `byoi_lib.hosting`. The nouns:

* `account`: clients, bucket and role of the account that is deployed to
* `plan`: one endpoint as it shall be, and the calls that say it to SageMaker
* `tags`: what belongs to whom, and until when
"""

from byoi_lib.deployment.account import Account, connect
from byoi_lib.deployment.plan import Plan

__all__ = ["Account", "Plan", "connect"]
