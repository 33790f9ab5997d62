"""The rows of the table: service, action and parameters; `vouched` explains the notation.

Sources: the API references of the services; what moto 5.2.5 does with each parameter, tried in
tests/byoi/emulator.
"""

# Of S3: keys of the caller's own, locks, grants and MFA, none of which moto respects. Buckets
# have one owner here.
_S3 = "* ExpectedBucketOwner=123456789012"
_S3_OBJECT = f"{_S3} -SSECustomerAlgorithm -SSECustomerKey -SSECustomerKeyMD5"
_S3_WRITE = (
    f"{_S3_OBJECT} -ACL -GrantFullControl -GrantRead -GrantReadACP -GrantWriteACP -ObjectLockMode "
    "-ObjectLockRetainUntilDate -ObjectLockLegalHoldStatus -ObjectLockEventHold "
    "-ObjectLockEventHoldDurationDays -ObjectLockEventHoldDurationYears -WebsiteRedirectLocation "
    "-SSEKMSEncryptionContext"
)
_S3_COPY = (
    "-CopySourceSSECustomerAlgorithm -CopySourceSSECustomerKey -CopySourceSSECustomerKeyMD5 "
    "ExpectedSourceBucketOwner=123456789012"
)
_ECR = "* registryId=123456789012"
_TAGS = "Tags(Key Value)"
_LIST = "SortBy SortOrder NextToken MaxResults NameContains CreationTimeBefore CreationTimeAfter"
_SOURCE = "S3DataSource(S3Uri S3DataType CompressionType ~ModelAccessConfig(~AcceptEula))"
_VARIANT = (
    "VariantName ModelName InitialInstanceCount InitialVariantWeight ~InstanceType "
    "ContainerStartupHealthCheckTimeoutInSeconds ModelDataDownloadTimeoutInSeconds "
    "~VolumeSizeInGB ~AcceleratorType ~InferenceAmiVersion ~EnableSSMAccess "
    "~RoutingConfig(~RoutingStrategy ~PrefixAwareRoutingConfig(~PrefixLength "
    "~ConcurrencyThreshold))"
)
_VPC = "~VpcConfig(~SecurityGroupIds ~Subnets)"
_INVOKE = (
    "EndpointName Body ContentType Accept CustomAttributes TargetVariant InferenceId "
    "~SessionId ~PrefixAwareId"
)
# Some clients send what has no effect where it is false or empty.
_STACK = (
    "StackName TemplateBody TemplateURL Parameters(ParameterKey ParameterValue UsePreviousValue) "
    "Capabilities Tags(Key Value) ~ClientRequestToken NotificationARNs=none ResourceTypes=none"
)
_API = "restApiId"
_METHOD = "restApiId resourceId httpMethod"
_RESPONSE = f"{_METHOD} statusCode"
_PATCH = "patchOperations(op path value)"

ROWS: dict[str, dict[str, str]] = {
    "sagemaker": {
        "CreateModel": (
            "ModelName ~ExecutionRoleArn EnableNetworkIsolation "
            f"PrimaryContainer(Image ModelDataUrl ModelDataSource({_SOURCE}) Environment "
            f"Mode=SingleModel ~ContainerHostname) {_VPC} {_TAGS}"
        ),
        "DescribeModel": "ModelName",
        "ListModels": _LIST,
        "DeleteModel": "ModelName",
        "CreateEndpointConfig": (
            f"EndpointConfigName ProductionVariants({_VARIANT}) {_TAGS} ~KmsKeyId {_VPC} "
            "~ExecutionRoleArn EnableNetworkIsolation "
            "~MetricsConfig(~EnableEnhancedMetrics ~EnableDetailedObservability "
            "~MetricPublishFrequencyInSeconds) ~CrossRegionTrafficConfig("
            "~MaxInvocationsPerSecondPerInstance ~MaxCrossRegionPercentPerEndpoint) "
            "~DataCaptureConfig(EnableCapture==false ~InitialSamplingPercentage "
            "~DestinationS3Uri ~KmsKeyId ~CaptureOptions(~CaptureMode) "
            "~CaptureContentTypeHeader(~CsvContentTypes ~JsonContentTypes))"
        ),
        "DescribeEndpointConfig": "EndpointConfigName",
        "ListEndpointConfigs": _LIST,
        "DeleteEndpointConfig": "EndpointConfigName",
        "CreateEndpoint": f"EndpointName EndpointConfigName {_TAGS}",
        "DescribeEndpoint": "EndpointName",
        "ListEndpoints": f"{_LIST} LastModifiedTimeBefore LastModifiedTimeAfter StatusEquals",
        "UpdateEndpoint": (
            "EndpointName EndpointConfigName RetainAllVariantProperties=false "
            "RetainDeploymentConfig=false DeploymentConfig("
            "BlueGreenUpdatePolicy(TrafficRoutingConfiguration(Type=ALL_AT_ONCE "
            "~WaitIntervalInSeconds) ~TerminationWaitInSeconds "
            "~MaximumExecutionTimeoutInSeconds) "
            "~AutoRollbackConfiguration(~Alarms(~AlarmName)))"
        ),
        "UpdateEndpointWeightsAndCapacities": (
            "EndpointName DesiredWeightsAndCapacities(VariantName DesiredWeight "
            "DesiredInstanceCount)"
        ),
        "DeleteEndpoint": "EndpointName",
        "AddTags": f"ResourceArn {_TAGS}",
        "ListTags": "ResourceArn MaxResults",
        "DeleteTags": "ResourceArn TagKeys",
    },
    "sagemaker-runtime": {
        "InvokeEndpoint": f"{_INVOKE} EnableExplanations",
        "InvokeEndpointWithResponseStream": _INVOKE,
    },
    "logs": {
        "CreateLogGroup": (
            "logGroupName tags ~kmsKeyId logGroupClass=STANDARD deletionProtectionEnabled=false"
        ),
        "DescribeLogGroups": "logGroupNamePrefix nextToken limit",
        "DeleteLogGroup": "logGroupName",
        "PutRetentionPolicy": "logGroupName ~retentionInDays",
        "DeleteRetentionPolicy": "logGroupName",
        "CreateLogStream": "logGroupName logStreamName",
        "DescribeLogStreams": "logGroupName logStreamNamePrefix orderBy descending nextToken limit",
        "DeleteLogStream": "logGroupName logStreamName",
        "PutLogEvents": "logGroupName logStreamName logEvents(timestamp message) ~sequenceToken",
        "GetLogEvents": (
            "logGroupName logStreamName startTime endTime nextToken limit startFromHead"
        ),
        "FilterLogEvents": (
            "logGroupName logStreamNames logStreamNamePrefix startTime endTime filterPattern "
            "nextToken limit ~interleaved"
        ),
        "TagResource": "resourceArn tags",
        "UntagResource": "resourceArn tagKeys",
        "ListTagsForResource": "resourceArn",
    },
    "cloudformation": {
        "CreateStack": f"{_STACK} DisableRollback OnFailure EnableTerminationProtection",
        "UpdateStack": f"{_STACK} UsePreviousTemplate DisableRollback=false",
        "DeleteStack": "StackName ~ClientRequestToken RetainResources=none",
        "UpdateTerminationProtection": "StackName EnableTerminationProtection",
        "CreateChangeSet": (
            f"{_STACK.replace('~ClientRequestToken', 'ClientToken')} UsePreviousTemplate "
            "ChangeSetName ChangeSetType=CREATE|UPDATE Description OnStackFailure "
            "IncludeNestedStacks ImportExistingResources=false"
        ),
        "DescribeChangeSet": "ChangeSetName StackName IncludePropertyValues=false",
        "ExecuteChangeSet": (
            "ChangeSetName StackName ~ClientRequestToken DisableRollback RetainExceptOnCreate=false"
        ),
        "DeleteChangeSet": "ChangeSetName StackName",
        "ListChangeSets": "StackName",
        "DescribeStacks": "StackName",
        "DescribeStackEvents": "StackName",
        "DescribeStackResource": "StackName LogicalResourceId",
        "DescribeStackResources": "StackName LogicalResourceId",
        "ListStackResources": "StackName",
        "ListStacks": "StackStatusFilter",
        "ListExports": "",
        "ListImports": "ExportName",
        "GetTemplate": "StackName ChangeSetName TemplateStage",
        "GetTemplateSummary": "TemplateBody TemplateURL StackName",
        "ValidateTemplate": "TemplateBody TemplateURL",
    },
    "apigateway": {
        "CreateApiKey": "name description enabled value ~customerId tags",
        "CreateDeployment": (
            f"{_API} stageName ~stageDescription description variables "
            "cacheClusterEnabled=false tracingEnabled=false"
        ),
        "CreateModel": f"{_API} name description schema contentType",
        "CreateRequestValidator": f"{_API} name validateRequestBody validateRequestParameters",
        "CreateResource": f"{_API} parentId pathPart",
        "CreateRestApi": (
            "name description binaryMediaTypes apiKeySource=HEADER "
            "~endpointConfiguration(types=REGIONAL|EDGE) tags disableExecuteApiEndpoint=false"
        ),
        "CreateStage": (
            f"{_API} stageName deploymentId description variables ~documentationVersion tags "
            "cacheClusterEnabled=false tracingEnabled=false"
        ),
        "CreateUsagePlan": (
            "name description apiStages(apiId stage throttle.*(burstLimit rateLimit)) "
            "throttle(burstLimit rateLimit) quota(limit offset=0 period) tags"
        ),
        "CreateUsagePlanKey": "usagePlanId keyId keyType",
        "DeleteApiKey": "apiKey",
        "DeleteDeployment": f"{_API} deploymentId",
        "DeleteGatewayResponse": f"{_API} responseType",
        "DeleteIntegration": _METHOD,
        "DeleteIntegrationResponse": _RESPONSE,
        "DeleteMethod": _METHOD,
        "DeleteMethodResponse": _RESPONSE,
        "DeleteModel": f"{_API} modelName",
        "DeleteRequestValidator": f"{_API} requestValidatorId",
        "DeleteResource": f"{_API} resourceId",
        "DeleteRestApi": _API,
        "DeleteStage": f"{_API} stageName",
        "DeleteUsagePlan": "usagePlanId",
        "DeleteUsagePlanKey": "usagePlanId keyId",
        "GetApiKey": "apiKey includeValue",
        "GetApiKeys": "limit position nameQuery includeValues",
        "GetDeployment": f"{_API} deploymentId",
        "GetDeployments": f"{_API} limit position",
        "GetGatewayResponse": f"{_API} responseType",
        "GetGatewayResponses": f"{_API} limit position",
        "GetIntegration": _METHOD,
        "GetIntegrationResponse": _RESPONSE,
        "GetMethod": _METHOD,
        "GetMethodResponse": _RESPONSE,
        "GetModel": f"{_API} modelName",
        "GetModels": f"{_API} limit position",
        "GetRequestValidator": f"{_API} requestValidatorId",
        "GetRequestValidators": f"{_API} limit position",
        "GetResource": f"{_API} resourceId",
        "GetResources": f"{_API} limit position",
        "GetRestApi": _API,
        "GetRestApis": "limit position",
        "GetStage": f"{_API} stageName",
        "GetStages": _API,
        "GetUsagePlan": "usagePlanId",
        "GetUsagePlanKey": "usagePlanId keyId",
        "GetUsagePlanKeys": "usagePlanId limit position",
        "GetUsagePlans": "keyId limit position",
        "PutGatewayResponse": (
            f"{_API} responseType statusCode responseParameters responseTemplates"
        ),
        "PutIntegration": (
            f"{_METHOD} type integrationHttpMethod uri connectionType=INTERNET credentials "
            "requestParameters requestTemplates passthroughBehavior ~cacheNamespace "
            "contentHandling timeoutInMillis"
        ),
        "PutIntegrationResponse": (
            f"{_RESPONSE} selectionPattern responseParameters responseTemplates contentHandling"
        ),
        "PutMethod": (
            f"{_METHOD} authorizationType apiKeyRequired operationName requestParameters "
            "requestModels requestValidatorId"
        ),
        "PutMethodResponse": f"{_RESPONSE} responseParameters responseModels",
        "UpdateApiKey": f"apiKey {_PATCH}",
        "UpdateStage": f"{_API} stageName {_PATCH}",
        "UpdateUsagePlan": f"usagePlanId {_PATCH}",
    },
    "s3": {
        "ListBuckets": "* -MaxBuckets -ContinuationToken -BucketRegion",
        "CreateBucket": (
            "* -ACL -GrantFullControl -GrantRead -GrantReadACP -GrantWrite -GrantWriteACP "
            "-ObjectLockEnabledForBucket -BucketNamespace"
        ),
        "HeadBucket": _S3,
        "DeleteBucket": _S3,
        "GetBucketLocation": _S3,
        "PutBucketVersioning": f"{_S3} -MFA",
        "GetBucketVersioning": _S3,
        "PutBucketTagging": _S3,
        "GetBucketTagging": _S3,
        "DeleteBucketTagging": _S3,
        "PutBucketPolicy": f"{_S3} -ConfirmRemoveSelfBucketAccess",
        "GetBucketPolicy": _S3,
        "DeleteBucketPolicy": _S3,
        "PutBucketEncryption": _S3,
        "GetBucketEncryption": _S3,
        "DeleteBucketEncryption": _S3,
        "PutPublicAccessBlock": _S3,
        "GetPublicAccessBlock": _S3,
        "DeletePublicAccessBlock": _S3,
        "PutBucketCors": _S3,
        "GetBucketCors": _S3,
        "DeleteBucketCors": _S3,
        "ListObjects": f"{_S3} -OptionalObjectAttributes",
        "ListObjectsV2": f"{_S3} -OptionalObjectAttributes",
        "ListObjectVersions": f"{_S3} -OptionalObjectAttributes",
        "PutObject": f"{_S3_WRITE} -WriteOffsetBytes",
        "PostObject": "*",
        "GetObject": _S3_OBJECT,
        "HeadObject": _S3_OBJECT,
        "GetObjectAttributes": _S3_OBJECT,
        "CopyObject": f"{_S3_WRITE} {_S3_COPY} -AnnotationDirective",
        "DeleteObject": f"{_S3} -MFA -BypassGovernanceRetention -IfMatchLastModifiedTime "
        "-IfMatchSize",
        "DeleteObjects": f"{_S3} -MFA -BypassGovernanceRetention",
        "PutObjectTagging": _S3,
        "GetObjectTagging": _S3,
        "DeleteObjectTagging": _S3,
        "CreateMultipartUpload": _S3_WRITE,
        "UploadPart": _S3_OBJECT,
        "UploadPartCopy": f"{_S3_OBJECT} {_S3_COPY}",
        "ListParts": _S3_OBJECT,
        "ListMultipartUploads": _S3,
        "CompleteMultipartUpload": f"{_S3_OBJECT} -MpuObjectSize",
        "AbortMultipartUpload": f"{_S3} -IfMatchInitiatedTime",
    },
    "iam": {
        **dict.fromkeys(
            [
                *("CreateRole", "GetRole", "ListRoles", "UpdateRole", "DeleteRole"),
                *("UpdateAssumeRolePolicy", "PutRolePolicy", "GetRolePolicy", "ListRolePolicies"),
                *("DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy"),
                *("ListAttachedRolePolicies", "PutRolePermissionsBoundary"),
                *("DeleteRolePermissionsBoundary", "TagRole", "UntagRole", "ListRoleTags"),
                *("CreatePolicy", "GetPolicy", "DeletePolicy", "CreatePolicyVersion"),
                *("GetPolicyVersion", "ListPolicyVersions", "DeletePolicyVersion"),
                *("SetDefaultPolicyVersion", "GetUser", "ListUsers", "DeleteUser"),
                *("PutUserPolicy", "ListUserPolicies", "DeleteUserPolicy", "AttachUserPolicy"),
                *("DetachUserPolicy", "ListAttachedUserPolicies", "CreateGroup", "DeleteGroup"),
                *("AddUserToGroup", "RemoveUserFromGroup", "PutGroupPolicy", "DeleteGroupPolicy"),
                *("AttachGroupPolicy", "DetachGroupPolicy", "SimulatePrincipalPolicy"),
                *("CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey"),
            ],
            "*",
        ),
        "CreateUser": "* -PermissionsBoundary",
        "ListPolicies": "* -PolicyUsageFilter",
    },
    "sts": {
        "AssumeRole": "* -PolicyArns -SerialNumber -TokenCode -ProvidedContexts",
        "GetAccessKeyInfo": "*",
        "GetCallerIdentity": "*",
    },
    "ecr": {
        "CreateRepository": (
            f"{_ECR} imageTagMutability=MUTABLE -imageTagMutabilityExclusionFilters"
        ),
        **dict.fromkeys(
            [
                *("DeleteRepository", "DescribeRepositories", "BatchDeleteImage", "BatchGetImage"),
                *("DescribeImages", "ListImages", "PutLifecyclePolicy", "GetLifecyclePolicy"),
                *("DeleteLifecyclePolicy", "SetRepositoryPolicy", "GetRepositoryPolicy"),
                "DeleteRepositoryPolicy",
            ],
            _ECR,
        ),
        **dict.fromkeys(["TagResource", "UntagResource", "ListTagsForResource"], "*"),
        "GetAuthorizationToken": "* -registryIds",
    },
}
