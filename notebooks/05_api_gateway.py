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
# An endpoint answers whoever may invoke it in SageMaker. Others should see less: a URL, limits,
# and nothing of what stands behind. Amazon API Gateway takes their HTTP, calls SageMaker as a role
# of its own, and hands the answer back. No function stands between: the API speaks to SageMaker
# itself. Who is let in is yours to say: by default those whose IAM policy allows it and who sign
# their requests, otherwise those with an API key, or anybody.
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
# * how a client signs its requests, and gets a prediction as JSON and as CSV;
# * what an API key is good for, and what `NONE` means;
# * which HTTP status each error becomes, and how clients are kept out or slowed down.
#
# **Time** about half a minute on this machine, about 10 minutes on AWS. **Cost** nothing on this
# machine; on AWS the price of one `ml.m5.large` while it runs, and API Gateway's price for each
# call. **Needs** the image `byoi:latest` where Docker is there; without it the emulator runs the
# same server as processes. On AWS, API Gateway needs a role for its logs once in an account:
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
# /predictions`, a stage with limits, an access log, a role. Its role trusts
# `apigateway.amazonaws.com` and holds one permission, `sagemaker:InvokeEndpoint` on this endpoint.
# The parameter `Authorization` says who may call; left alone it is `AWS_IAM`. Here are three of
# them, to see the difference; the limits of two are low, so that they can be met.

# %%
account = session.account
cloudformation, iam = account.client("cloudformation"), account.client("iam")
# Where your rights end at a permissions boundary, so must those of the role you make.
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
# The output `InvokeUrl` is where AWS answers. `deployment.invoke_url` returns the same there, and
# the emulator's address here.

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
# ## A signed call
#
# Any HTTP client does, here `requests`. botocore, which boto3 brings, signs what will be sent:
# method, host, path, query, headers and body, for the service `execute-api`. `add_auth` adds
# headers, and a session token where there is one.

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
# `Content-Type` and `Accept` reach the container, so CSV in and CSV out work too, and so do JSON
# Lines and plain text. NumPy arrays are bytes, which this API does not pass.

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
# Your own keys may call it because your policy allows `execute-api:Invoke` on the output
# `MethodArn`. A client gets a user or a role with a policy that allows that and nothing else: it
# can neither call another path nor invoke an endpoint.

# %%
arn = outputs["byoi-api"]["MethodArn"]
allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}
policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]}, indent=1)
account_id = arn.split(":")[4]
print(policy.replace(outputs["byoi-api"]["ApiId"], "ID").replace(account_id, "ACCOUNT"))

# %% [markdown]
# ## What errors look like
#
# The body is always JSON with a `message`. What the container says of a client's mistake passes;
# what went wrong inside does not.

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
# | status | who says it | when |
# |---|---|---|
# | 400 | API Gateway | the body is no JSON, or there is no `Content-Type` |
# | 403 | API Gateway | the signature is missing or wrong, or there is no such path |
# | 403 | API Gateway | whoever signed may not call it; the key is missing or unknown |
# | 404 | API Gateway | there is no such path, where nobody signs |
# | 413 | API Gateway | the body is above 10 MB |
# | 429 | API Gateway | more calls than the limits allow |
# | other 4xx | the container | the model does not take the request; `detail` has its words |
# | 502 | the container | it failed; its log is in CloudWatch Logs |
# | 503 | SageMaker | the endpoint is gone or not in service |
# | 504 | API Gateway | no answer within 29 s, although SageMaker allows 60 |
#
# ## With an API key
#
# For clients that cannot have AWS credentials. The key goes with each request, in the header
# `x-api-key`; a usage plan counts what it is used for, and a quota ends it for the day.

# %%
url, key_id = urls["byoi-api-key"], outputs["byoi-api-key"]["ApiKeyId"]
key = {"x-api-key": gateway.get_api_key(apiKey=key_id, includeValue=True)["value"]}
answer = requests.post(url, json=reviews, headers=key, timeout=30)
print("with the key:", answer.status_code)
answer = requests.post(url, json=reviews, timeout=30)
print("without it:", answer.status_code, answer.json()["message"])

# %% [markdown]
# A bucket of ten tokens gets two new ones each second; who finds it empty is told to come later.
# Who has used up the quota is told so until tomorrow.

# %%
codes = [requests.post(url, json=reviews, headers=key, timeout=30).status_code for _ in range(40)]
print("statuses of 40 calls in a row:", sorted(set(codes)))

# %% [markdown]
# ## Open to everybody
#
# `NONE` asks for nothing. Whoever finds the URL runs your endpoint at your cost, and all that holds
# them is `RateLimit`, which they share with those you meant. So it is deleted at once.

# %%
answer = requests.post(urls["byoi-api-open"], json=reviews, timeout=30)
print("without anything:", answer.status_code)
cloudformation.delete_stack(StackName="byoi-api-open")
cloudformation.get_waiter("stack_delete_complete").wait(StackName="byoi-api-open")

# %% [markdown]
# ## What can go wrong
#
# * **403, "The request signature we calculated does not match".** Something changed between signing
#   and sending: a header, the order of the body's JSON, a path that a proxy writes anew. Here the
#   path begins with `/restapis`; sign the URL that you send to.
# * **403, "is not authorized to perform: execute-api:Invoke".** The signature is right, and the
#   policy of whoever signed does not allow this method.
# * **403, though the key is right.** A new key and its usage plan take effect after some seconds
#   on AWS.
# * **The stack fails with "CloudWatch Logs role ARN must be set in account settings".** API Gateway
#   has no role for its logs yet: [infra/README.md](../infra/README.md); or `AccessLogDays=0`.
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
# * [docs/emulator.md](../docs/emulator.md) says what of API Gateway is executed here, what is
#   refused, and what differs.
# * [06_your_own_model](06_your_own_model.ipynb): the same with a model that is yours.
# * Something went wrong and the kernel is gone? [99_clean_up](99_clean_up.ipynb).
