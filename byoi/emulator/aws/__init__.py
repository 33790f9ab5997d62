"""moto's AWS services, and how they are patched.

* `account`: the one account, with its bucket and role
* `sagemaker`, `constraints`: SageMaker, and the constraints of its API's model
* `iam`, `simulation`: roles, what their policies allow, and SimulatePrincipalPolicy
* `image_registry`: ECR
* `cloudformation`, `stack_answers`: CloudFormation's calls and answers
* `stacks`, `change_sets`, `stack_records`: what they work on
* `template`, `intrinsics`: templates and their functions
* `resource_types`, `resource_schemas`, `stack_resources`, `sagemaker_resources`, `clients`: what
  a stack makes, and the calls that make it
* `patches`, `errors`: how attributes of moto are replaced, and what refused calls raise
"""
