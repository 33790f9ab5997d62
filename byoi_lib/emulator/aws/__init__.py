"""moto's AWS, and what of it is replaced.

* `account`: the one account
* `moto_backend`, `moto_requests`: SageMaker
* `image_registry`: ECR
* `cloudformation`, `stacks`, `stack_updates`: CloudFormation
* `patches`: how attributes are replaced, and put back
"""
