# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. An HTTP API in front
#
# An endpoint answers only requests that are signed with AWS credentials. A mobile app or a web
# server of somebody else's has none. Amazon API Gateway takes their plain HTTP, signs it with a
# role of its own, and hands the answer back. No function stands between: the API speaks to
# SageMaker itself.
#
# **It runs on this machine**, against [the emulator](../docs/emulator.md), which executes the API
# as API Gateway would. With `BYOI_PLATFORM=aws`, `BYOI_ROLE_ARN` and `BYOI_BUCKET` in the
# environment the same cells talk to your account.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * what the API is made of, and the one permission its role has;
# * how a client without credentials gets a prediction, as JSON and as CSV;
# * which HTTP status each error becomes, and how clients are kept out or slowed down.
#
# **Time** about half a minute on this machine, about 10 minutes on AWS. **Cost** nothing on this
# machine; on AWS the price of one `ml.m5.large` while it runs, and API Gateway's price for each
# call. **Needs** the image `byoi:latest` where Docker is there; without it the emulator runs the
# same server as processes.

# %%
from importlib.metadata import version

from packaging.version import Version

assert Version("2.257") <= Version(version("sagemaker")) < Version("3"), (
    "version 3 has other classes, see docs/sdk-3.md: pip install 'sagemaker[local]>=2.257,<3'"
)
print("sagemaker", Version(version("sagemaker")).major)

# %%
import os

from byoi import deployment, emulator, hosting, model_data
from byoi_lib import datasets, training

rehearsal = emulator.rehearse()
role, bucket = os.environ["BYOI_ROLE_ARN"], os.environ["BYOI_BUCKET"]
print("on this machine:", rehearsal.is_emulated)

# %% [markdown]
# ## An endpoint
#
# As in [the fourth notebook](04_deploy.ipynb), in short. The name is lower-case on purpose: the
# API's role may invoke exactly this endpoint, SageMaker writes names in ARNs in lower case, and
# IAM compares them letter by letter.

# %%
import subprocess
from pathlib import Path

model_dir, image_uri = Path("../build/model"), "byoi:latest"
if not (model_dir / "manifest.json").exists():
    training.train(datasets.load("sample"), model_dir, progress=False)
archive = model_data.pack(model_dir, Path("../build/model.tar.gz")).path
session = hosting.aws_session()
uri = session.upload_data(str(archive), bucket, key_prefix="byoi/byoi-behind-api")
if not rehearsal.is_emulated:
    pushed = subprocess.run(["../build_and_push.sh", "byoi"], stdout=subprocess.PIPE, check=True)
    image_uri = pushed.stdout.decode().strip()
print("model data:", archive.name)

# %%
from datetime import UTC, datetime, timedelta

from sagemaker.model import Model
from sagemaker.predictor import Predictor

name = "byoi-behind-api"
marks = deployment.make_tags(name, expires=datetime.now(UTC) + timedelta(hours=8))
model = Model(image_uri, uri, role, Predictor, name=name, sagemaker_session=session)
predictor = model.deploy(1, "ml.m5.large", endpoint_name=name, tags=marks, wait=False)
print(deployment.wait(session.sagemaker_client, name)["EndpointStatus"])

# %% [markdown]
# ## The API
#
# One stack, [infra/api_gateway.yaml](../infra/api_gateway.yaml): a REST API with `POST
# /predictions`, a stage, a role. Its role trusts `apigateway.amazonaws.com` and holds one permission,
# `sagemaker:InvokeEndpoint` on this endpoint. Its limits are low here, so that they can be met, and
# it asks for an API key, which is off unless asked for.

# %%
account = session.account
cloudformation, iam = account.client("cloudformation"), account.client("iam")
# Where your rights end at a permissions boundary, so must those of the role you make.
limits = iam.get_role(RoleName=role.rpartition("/")[2])["Role"].get("PermissionsBoundary", {})
values = {"EndpointName": name, "RequireApiKey": "true", "RateLimit": "2", "BurstLimit": "10"}
values["PermissionsBoundary"] = limits.get("PermissionsBoundaryArn", "")
template = Path("../infra/api_gateway.yaml").read_text()
parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]

# %%
stack = "byoi-api"
cloudformation.create_stack(
    StackName=stack,
    Capabilities=["CAPABILITY_IAM"],
    TemplateBody=template,
    Parameters=parameters,
)
cloudformation.get_waiter("stack_create_complete").wait(StackName=stack)
described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
outputs = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}
print(described["StackStatus"], sorted(outputs))

# %% [markdown]
# The output `InvokeUrl` is where AWS answers. `deployment.invoke_url` returns the same there, and
# the emulator's address here.

# %%
gateway = account.client("apigateway")
url = deployment.invoke_url(gateway, outputs["ApiId"], outputs["StageName"]) + "/predictions"
print(outputs["InvokeUrl"].replace(outputs["ApiId"], "ID"))

# %% [markdown]
# ## A call over HTTP
#
# Nothing of AWS's from here on: a URL, a key, JSON.

# %%
import json

import requests

key = gateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
with_key = {"x-api-key": key}
reviews = ["A wonderful film, I loved it.", "A dull, clumsy and boring film."]
answer = requests.post(url, json={"instances": reviews}, headers=with_key, timeout=30)
for text, (negative, positive) in zip(reviews, answer.json()["predictions"]):
    print(f"{'positive' if positive > negative else 'negative'} {positive:.1f}  {text}")

# %% [markdown]
# `Content-Type` and `Accept` reach the container, so CSV in and CSV out work too, and so do JSON
# Lines and plain text. NumPy arrays are bytes, which this API does not pass.

# %%
csv = {"Content-Type": "text/csv", "Accept": "text/csv"}
rows = "\n".join(f'"{review}"' for review in reviews)
answer = requests.post(url, rows, headers={**with_key, **csv}, timeout=30)
for row in answer.text.splitlines():
    print(
        answer.headers["Content-Type"], "positive" if float(row.split(",")[1]) > 0.5 else "negative"
    )

# %% [markdown]
# ## What errors look like
#
# The body is always JSON with a `message`. What the container says of a client's mistake passes;
# what went wrong inside does not.

# %%
json_type, html_type = {"Content-Type": "application/json"}, {"Content-Type": "text/html"}
tries = {
    "no key": requests.post(url, "[]", headers=json_type, timeout=30),
    "another path": requests.post(url + "s", "[]", headers=with_key, timeout=30),
    "no JSON": requests.post(url, "{", headers={**with_key, **json_type}, timeout=30),
    "no model takes it": requests.post(url, "<p>", headers={**with_key, **html_type}, timeout=30),
}
for what, answer in tries.items():
    print(f"{what:<20}{answer.status_code}  {answer.json()['message']}")
print(
    "the container's own words:", json.loads(tries["no model takes it"].json()["detail"])["error"]
)

# %% [markdown]
# | status | who says it | when |
# |---|---|---|
# | 400 | API Gateway | the body is no JSON, or there is no `Content-Type` |
# | 403 | API Gateway | the key is missing or unknown |
# | 404 | API Gateway | there is no such path |
# | 413 | API Gateway | the body is above 10 MB |
# | 429 | API Gateway | more calls than the limits allow |
# | other 4xx | the container | the model does not take the request; `detail` has its words |
# | 502 | the container | it failed; its log is in CloudWatch Logs |
# | 503 | SageMaker | the endpoint is gone or not in service |
# | 504 | API Gateway | no answer within 29 s, although SageMaker allows 60 |
#
# ## Too many calls
#
# A bucket of ten tokens gets two new ones each second; who finds it empty is told to come later.

# %%
codes = [
    requests.post(url, json=reviews, headers=with_key, timeout=30).status_code for _ in range(30)
]
print("statuses of 30 calls in a row:", sorted(set(codes)))

# %% [markdown]
# ## What can go wrong
#
# * **403, though the key is right.** A new key and its usage plan take effect after some seconds
#   on AWS.
# * **500 for every call.** API Gateway may not assume the role, or the role may not invoke the
#   endpoint. `aws apigateway test-invoke-method` shows the reason there; the emulator's log has the
#   line here.
# * **A change of the stack has no effect.** Methods are deployed as a snapshot: give the resource
#   `Deployment` in the template another name, so that the stack makes a new one.
# * **A browser refuses the answer.** There is no CORS in this API. Add an `OPTIONS` method and the
#   `Access-Control-*` headers for the origins you trust.
# * **An API key is no login.** It tells clients apart and limits them; whoever reads it has it.
#
# ## Clean up
#
# The API goes first, then what it stood before. What is left is asked for, not believed.

# %%
cloudformation.delete_stack(StackName=stack)
cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack)
for thing in [one for one in deployment.find_everything(account) if name in one.name]:
    thing.delete()
left = [str(one) for one in deployment.find_everything(account) if name in one.name]
left += [one["id"] for one in gateway.get_rest_apis()["items"] if one["name"] == "byoi-api"]
assert left == [], left
print("cleaned up; left:", left)
rehearsal.stop()

# %% [markdown]
# ## What next
#
# * [docs/emulator.md](../docs/emulator.md) says what of API Gateway is executed here, what is
#   refused, and what differs.
# * Something went wrong and the kernel is gone? [99_clean_up](99_clean_up.ipynb).
