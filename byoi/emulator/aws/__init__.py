"""moto's AWS, and what of it is replaced.

* `account`, `roles`: the one account, and its roles
* `moto_backend`, `moto_requests`, `constraints`, `validation`: SageMaker
* `image_registry`: ECR
* `cloudformation`, `stacks`, `stack_updates`: CloudFormation
* `patches`: how attributes are replaced, and put back
"""
