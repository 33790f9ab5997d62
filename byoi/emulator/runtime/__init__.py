"""SageMaker Runtime: one invocation, from its request to the container's response.

* `invocations`: which endpoint a request is for, and whether it is valid
* `forwarding`: the request to an instance, and the response back
"""
