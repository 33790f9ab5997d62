"""SageMaker Runtime: one invocation, from its request to the container's answer.

* `invocations`: whose request it is, and whether it is allowed
* `forwarding`: on its way to an instance, and back
"""
