"""API Gateway's REST APIs, executed: a request over HTTP goes through them to an endpoint.

moto keeps what an API is made of; here is what becomes of a call.

* `gateway`: one call, from URL to response
* `deployed`, `routing`, `keys`, `throttling`, `validation`: which method, and may it be called
* `integration`, `access`, `payload`, `parameters`: the call to SageMaker
* `templates`, `velocity`, `variables`, `json_path`: mapping templates
* `responding`, `gateway_errors`: the way back
* `backend`, `creation`, `stack_resources`: how APIs are made, and what is refused
"""
