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
# # 5. An HTTP API in front of an endpoint
#
# Only callers with SageMaker permissions can invoke an endpoint. With Amazon API Gateway, other
# clients get a URL with limits, and see nothing of the endpoint. API Gateway receives their HTTP
# requests, invokes the endpoint with a role of its own, and returns the response. No Lambda
# function is needed: API Gateway calls SageMaker directly. You choose who may call the API: by
# default, clients that sign their requests and whose IAM policy allows it; otherwise clients with
# an API key, or everyone.
#
# **It runs on this machine**, against [the emulator](../docs/emulator.md), which executes the API
# as API Gateway does. With `BYOI_PLATFORM=aws`, `BYOI_ROLE_ARN` and `BYOI_BUCKET` in the
# environment, the same cells use your AWS account.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * which parts the API has, and the one permission of its role;
# * how a client signs its requests and gets a prediction as JSON and as CSV;
# * what an API key is for, and what `NONE` means;
# * which HTTP status each error gets, and how to refuse or throttle clients.
#
# **Time** about half a minute on this machine, about 10 minutes on AWS. **Cost** nothing on this
# machine; on AWS the price of one `ml.m5.large` while it runs, and API Gateway's price for each
# call. **Needs** the image `byoi:latest` if Docker is installed; without Docker, the emulator runs
# the same server as processes. On AWS, API Gateway needs a role for its logs, once in an account:
# [infra/README.md](../infra/README.md#an-http-api-in-front-of-an-endpoint).

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
# This deploys an endpoint as in [the fourth notebook](04_deploy.ipynb). Its name must be in lower
# case: the API's role may invoke exactly this endpoint, SageMaker writes names in ARNs in lower
# case, and IAM compares them with case.

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
# One stack, [infra/api_gateway.yaml](../infra/api_gateway.yaml), creates a REST API with `POST
# /predictions`, a stage with limits, an access log, and a role. The role trusts
# `apigateway.amazonaws.com` and has one permission, `sagemaker:InvokeEndpoint` on this endpoint.
# The parameter `Authorization` sets who may call; its default is `AWS_IAM`. This cell creates
# three APIs to compare its values. The limits of two of them are low, so that you can reach them.

# %%
account = session.account
cloudformation, iam = account.client("cloudformation"), account.client("iam")
# If your permissions have a boundary, the role that you create needs the same boundary.
limits = iam.get_role(RoleName=role.rpartition("/")[2])["Role"].get("PermissionsBoundary", {})
usual = {"EndpointName": name, "PermissionsBoundary": limits.get("PermissionsBoundaryArn", "")}
low = {"RateLimit": "2", "BurstLimit": "10", "QuotaLimit": "15"}
stacks = {
    "byoi-api": usual,
    "byoi-api-key": {**usual, **low, "Authorization": "API_KEY"},
    "byoi-api-open": {**usual, **low, "Authorization": "NONE"},
}

# %%
template = Path("../infra/api_gateway.yaml").read_text()
for stack, values in stacks.items():
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    cloudformation.create_stack(
        StackName=stack,
        Capabilities=["CAPABILITY_IAM"],
        TemplateBody=template,
        Parameters=parameters,
    )

# %% [markdown]
# The output `InvokeUrl` is the URL on AWS. `deployment.invoke_url` returns the same URL on AWS,
# and the emulator's URL here.

# %%
gateway = account.client("apigateway")
outputs, urls = {}, {}
for stack in stacks:
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack)
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    one = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    base = deployment.invoke_url(gateway, one["ApiId"], one["StageName"])
    outputs[stack], urls[stack] = one, f"{base}/predictions"
    print(stack, sorted(one))
print(one["InvokeUrl"].replace(one["ApiId"], "ID"))

# %% [markdown]
# ## Send a signed request
#
# Any HTTP client works; this cell uses `requests`. botocore, which boto3 installs, signs the
# method, host, path, query, headers and body, for the service `execute-api`. `add_auth` adds the
# headers of the signature, and a session token if there is one.

# %%
import json

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

url, json_type = urls["byoi-api"], {"Content-Type": "application/json"}
reviews = ["A wonderful film, I loved it.", "A dull, clumsy and boring film."]
request = AWSRequest("POST", url, json_type, json.dumps({"instances": reviews}))
signer = SigV4Auth(account.session.get_credentials(), "execute-api", account.region)
signer.add_auth(request)
answer = requests.post(url, request.data, headers=dict(request.headers), timeout=30)
for text, (negative, positive) in zip(reviews, answer.json()["predictions"]):
    print(f"{'positive' if positive > negative else 'negative'} {positive:.1f}  {text}")

# %% [markdown]
# `Content-Type` and `Accept` are passed to the container, so CSV, JSON Lines and plain text work,
# too. NumPy arrays are binary, and this API does not pass binary bodies.

# %%
csv = {"Content-Type": "text/csv", "Accept": "text/csv"}
request = AWSRequest("POST", url, csv, "\n".join(f'"{review}"' for review in reviews))
signer.add_auth(request)
answer = requests.post(url, request.data, headers=dict(request.headers), timeout=30)
for row in answer.text.splitlines():
    print(
        answer.headers["Content-Type"], "positive" if float(row.split(",")[1]) > 0.5 else "negative"
    )

# %% [markdown]
# Your own keys may call the API because your policy allows `execute-api:Invoke` on the output
# `MethodArn`. For a client, create a user or a role with a policy that allows only that: it can
# neither call another path nor invoke an endpoint.

# %%
arn = outputs["byoi-api"]["MethodArn"]
allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}
policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]}, indent=1)
account_id = arn.split(":")[4]
print(policy.replace(outputs["byoi-api"]["ApiId"], "ID").replace(account_id, "ACCOUNT"))

# %% [markdown]
# ## Errors
#
# The body is always JSON with a `message`. Error messages of the container about the client's
# request are passed on; internal errors are not.

# %%
html_type = {"Content-Type": "text/html"}
tries = {
    "another path": AWSRequest("POST", url + "s", json_type, "[]"),
    "no JSON": AWSRequest("POST", url, json_type, "{"),
    "no model takes it": AWSRequest("POST", url, html_type, "<p>"),
}
answers = {"not signed": requests.post(url, json=reviews, timeout=30)}
for what, request in tries.items():
    signer.add_auth(request)
    headers = dict(request.headers)
    answers[what] = requests.post(request.url, request.data, headers=headers, timeout=30)
for what, answer in answers.items():
    print(f"{what:<20}{answer.status_code}  {answer.json()['message']}")
print("the container's own words:", json.loads(answer.json()["detail"])["error"])

# %% [markdown]
# | status | sent by | when |
# |---|---|---|
# | 400 | API Gateway | the body is not JSON, or `Content-Type` is missing |
# | 403 | API Gateway | the signature is missing or wrong, or the path does not exist |
# | 403 | API Gateway | the signer's policy does not allow the call; the API key is missing or unknown |
# | 404 | API Gateway | the path does not exist, in an API without signatures |
# | 413 | API Gateway | the body is larger than 10 MB |
# | 429 | API Gateway | there are more calls than the limits allow |
# | other 4xx | the container | the model does not accept the request; `detail` has the container's message |
# | 502 | the container | the container failed; its log is in CloudWatch Logs |
# | 503 | SageMaker | the endpoint does not exist or is not in service |
# | 504 | API Gateway | no response within 29 s, although SageMaker allows 60 s |
#
# ## With an API key
#
# An API key is for clients without AWS credentials. They send it with each request, in the header
# `x-api-key`. A usage plan limits the rate of the requests with the key and their number per day.

# %%
url, key_id = urls["byoi-api-key"], outputs["byoi-api-key"]["ApiKeyId"]
key = {"x-api-key": gateway.get_api_key(apiKey=key_id, includeValue=True)["value"]}
answer = requests.post(url, json=reviews, headers=key, timeout=30)
print("with the key:", answer.status_code)
answer = requests.post(url, json=reviews, timeout=30)
print("without it:", answer.status_code, answer.json()["message"])

# %% [markdown]
# The rate limit is a token bucket: it holds ten tokens and gets two new ones each second. A call
# without a token gets 429, and so does every call after the daily quota.

# %%
codes = [requests.post(url, json=reviews, headers=key, timeout=30).status_code for _ in range(40)]
print("statuses of 40 calls in a row:", sorted(set(codes)))

# %% [markdown]
# ## Open to everybody
#
# `NONE` means that the API needs no authorization. Anyone who finds the URL can use your endpoint
# at your cost. The only limit is `RateLimit`, which all clients share. Therefore this API is
# deleted immediately.

# %%
answer = requests.post(urls["byoi-api-open"], json=reviews, timeout=30)
print("without anything:", answer.status_code)
cloudformation.delete_stack(StackName="byoi-api-open")
cloudformation.get_waiter("stack_delete_complete").wait(StackName="byoi-api-open")

# %% [markdown]
# ## What can go wrong
#
# * **403, "The request signature we calculated does not match".** Something changed between
#   signing and sending: a header, the order of the body's JSON, or a path that a proxy rewrites.
#   Here the path begins with `/restapis`; sign the URL to which you send.
# * **403, "is not authorized to perform: execute-api:Invoke".** The signature is valid, but the
#   signer's policy does not allow this method.
# * **403 with a valid API key.** On AWS, a new key and its usage plan take effect after some
#   seconds.
# * **The stack fails with "CloudWatch Logs role ARN must be set in account settings".** API
#   Gateway has no role for its logs yet: see [infra/README.md](../infra/README.md), or set
#   `AccessLogDays=0`.
# * **500 for every call.** API Gateway may not assume the role, or the role may not invoke the
#   endpoint. On AWS, `aws apigateway test-invoke-method` shows the reason; here it is in the
#   emulator's log.
# * **A change of the stack has no effect.** Methods are deployed as a snapshot: rename the
#   resource `Deployment` in the template, so that the stack creates a new one.
# * **A browser refuses the response.** This API has no CORS. Add an `OPTIONS` method and the
#   `Access-Control-*` headers for the origins that you trust.
# * **An API key is not an authentication.** It identifies clients and limits them; anyone who
#   reads it can use it.
#
# ## Clean up
#
# This deletes the APIs first, then the endpoint with everything that belongs to it. The last lines
# verify that nothing is left.

# %%
for stack in ("byoi-api", "byoi-api-key"):
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack)
for thing in [one for one in deployment.find_everything(account) if name in one.name]:
    thing.delete()
left = [str(one) for one in deployment.find_everything(account) if name in one.name]
left += [one["id"] for one in gateway.get_rest_apis()["items"] if "byoi-api" in one["name"]]
assert left == [], left
print("cleaned up; left:", left)
rehearsal.stop()

# %% [markdown]
# ## What next
#
# * [docs/emulator.md](../docs/emulator.md) lists which parts of API Gateway the emulator executes,
#   which it refuses, and what differs.
# * [06_your_own_model](06_your_own_model.ipynb): the same steps with your own model.
# * If something failed and the kernel is gone, run [99_clean_up](99_clean_up.ipynb).
