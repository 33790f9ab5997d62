"""moto's AWS services, and how they are patched.

* `account`: the one account, with its bucket and role
* `sagemaker`, `constraints`: SageMaker, and the constraints of its API's model
* `iam`, `simulation`: roles, what their policies allow, and SimulatePrincipalPolicy
* `image_registry`: ECR
* `cloudformation`, `stacks`: CloudFormation
* `patches`, `errors`: how attributes of moto are replaced, and what refused calls raise
"""
