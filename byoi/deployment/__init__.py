"""Deploying for people: endpoints that say what they wait for, cost and fail of, and that go.

boto3 only; the SDK is in `byoi.hosting`. The nouns:

* `account`, `role`: clients, bucket and execution role of the account that is deployed to
* `plan`, `planning`, `names`: one endpoint as it shall be, and what it is called
* `image_digest`, `model_object`: what a tag stands for, and where the model data lie
* `preflight` and what it asks: `role_check`, `model_data_check`, `image_check`, `quota`
* `price`: what it costs per hour
* `startup`: how long containers may take, from how long one takes here
* `deploying`, `change`, `waiting`, `container_log`: from there to InService, or to a named failure
* `inventory`, `tags`, `ownership`, `removing`, `belongings`: what runs, until when, and its end
"""

from byoi.deployment.account import Account, connect
from byoi.deployment.plan import Plan
from byoi.deployment.rollout import Outcome, deploy

__all__ = ["Account", "Outcome", "Plan", "connect", "deploy"]
