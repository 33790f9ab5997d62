"""API Gateway: REST APIs in front of endpoints, called over HTTP.

moto keeps the definitions of APIs; this package executes calls of them.

* `rest_apis`: loads the rest when API Gateway is first used
* `gateway`: one call, from its URL to its response
* `call`: the deployed API, the route and the parameters of a call
* `authorization`: the signature of a call, and what its caller may
* `admission`: API key, usage plan, throttling, request validation
* `integration`, `mappings`: the call to SageMaker and the way back
* `access_log`: a line for each call
* `templates`, `variables`: mapping templates and what they read
* `gateway_responses`: what the gateway answers itself
* `definition`, `backend`: checks before moto records a definition, and moto's backend
* `stack_resources`, `resource_type`: APIs made by CloudFormation
"""
