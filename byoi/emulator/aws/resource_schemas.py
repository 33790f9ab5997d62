"""Types of resources that a stack can have: their properties and attributes.

Source: CloudFormation's resource schemas, as cfn-lint carries them;
tests/byoi/emulator/test_stack_types.py compares the two.
"""

from typing import NamedTuple


class Schema(NamedTuple):
    """What CloudFormation knows of a type; names are separated by spaces.

    Attributes:
        required: Properties that every resource of the type has.
        properties: All properties that a template can set.
        fixed: Properties that change only with a replacement of the resource.
        attributes: What Fn::GetAtt returns beside these.
    """

    required: str = ""
    properties: str = ""
    fixed: str = ""
    attributes: str = ""


SCHEMAS = {
    "AWS::ApiGateway::ApiKey": Schema(
        properties=("CustomerId Description Enabled GenerateDistinctId Name StageKeys Tags Value"),
        fixed="GenerateDistinctId Name Value",
        attributes="APIKeyId",
    ),
    "AWS::ApiGateway::Deployment": Schema(
        required="RestApiId",
        properties="DeploymentCanarySettings Description RestApiId StageDescription StageName",
        fixed="DeploymentCanarySettings RestApiId",
        attributes="DeploymentId",
    ),
    "AWS::ApiGateway::GatewayResponse": Schema(
        required="ResponseType RestApiId",
        properties="ResponseParameters ResponseTemplates ResponseType RestApiId StatusCode",
        fixed="ResponseType RestApiId",
        attributes="Id",
    ),
    "AWS::ApiGateway::Method": Schema(
        required="HttpMethod ResourceId RestApiId",
        properties=(
            "ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId HttpMethod "
            "Integration MethodResponses OperationName RequestModels RequestParameters "
            "RequestValidatorId ResourceId RestApiId"
        ),
        fixed="HttpMethod ResourceId RestApiId",
    ),
    "AWS::ApiGateway::Model": Schema(
        required="RestApiId",
        properties="ContentType Description Name RestApiId Schema",
        fixed="ContentType Name RestApiId",
    ),
    "AWS::ApiGateway::RequestValidator": Schema(
        required="RestApiId",
        properties="Name RestApiId ValidateRequestBody ValidateRequestParameters",
        fixed="Name RestApiId",
        attributes="RequestValidatorId",
    ),
    "AWS::ApiGateway::Resource": Schema(
        required="ParentId PathPart RestApiId",
        properties="ParentId PathPart RestApiId",
        fixed="ParentId PathPart RestApiId",
        attributes="ResourceId",
    ),
    "AWS::ApiGateway::RestApi": Schema(
        properties=(
            "ApiKeySourceType BinaryMediaTypes Body BodyS3Location CloneFrom Description "
            "DisableExecuteApiEndpoint EndpointAccessMode EndpointConfiguration "
            "FailOnWarnings MinimumCompressionSize Mode Name Parameters Policy SecurityPolicy "
            "Tags Version"
        ),
        attributes="RestApiId RootResourceId",
    ),
    "AWS::ApiGateway::Stage": Schema(
        required="RestApiId",
        properties=(
            "AccessLogSetting CacheClusterEnabled CacheClusterSize CanarySetting "
            "ClientCertificateId DeploymentId Description DocumentationVersion MethodSettings "
            "RestApiId StageName Tags TracingEnabled Variables"
        ),
        fixed="RestApiId StageName",
    ),
    "AWS::ApiGateway::UsagePlan": Schema(
        properties="ApiStages Description Quota Tags Throttle UsagePlanName",
        attributes="Id",
    ),
    "AWS::ApiGateway::UsagePlanKey": Schema(
        required="KeyId KeyType UsagePlanId",
        properties="KeyId KeyType UsagePlanId",
        fixed="KeyId KeyType UsagePlanId",
        attributes="Id",
    ),
    "AWS::CloudFormation::Stack": Schema(
        required="TemplateURL",
        properties="NotificationARNs Parameters Tags TemplateURL TimeoutInMinutes",
        attributes="StackId",
    ),
    "AWS::ECR::Repository": Schema(
        properties=(
            "EmptyOnDelete EncryptionConfiguration ImageScanningConfiguration "
            "ImageTagMutability ImageTagMutabilityExclusionFilters LifecyclePolicy "
            "RepositoryName RepositoryPolicyText Tags"
        ),
        fixed="EncryptionConfiguration RepositoryName",
        attributes="Arn RepositoryUri",
    ),
    "AWS::IAM::ManagedPolicy": Schema(
        required="PolicyDocument",
        properties="Description Groups ManagedPolicyName Path PolicyDocument Roles Users",
        fixed="Description ManagedPolicyName Path",
        attributes=(
            "AttachmentCount CreateDate DefaultVersionId IsAttachable "
            "PermissionsBoundaryUsageCount PolicyArn PolicyId UpdateDate"
        ),
    ),
    "AWS::IAM::Policy": Schema(
        required="PolicyDocument PolicyName",
        properties="Groups PolicyDocument PolicyName Roles Users",
        attributes="Id",
    ),
    "AWS::IAM::Role": Schema(
        required="AssumeRolePolicyDocument",
        properties=(
            "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path "
            "PermissionsBoundary Policies RoleName Tags"
        ),
        fixed="Path RoleName",
        attributes="Arn RoleId",
    ),
    "AWS::IAM::RolePolicy": Schema(
        required="PolicyName RoleName",
        properties="PolicyDocument PolicyName RoleName",
        fixed="PolicyName RoleName",
    ),
    "AWS::Logs::LogGroup": Schema(
        properties=(
            "BearerTokenAuthenticationEnabled DataProtectionPolicy DeletionProtectionEnabled "
            "FieldIndexPolicies KmsKeyId LogGroupClass LogGroupName ResourcePolicyDocument "
            "RetentionInDays Tags"
        ),
        fixed="LogGroupName",
        attributes="Arn",
    ),
    "AWS::S3::Bucket": Schema(
        properties=(
            "AbacStatus AccelerateConfiguration AccessControl AnalyticsConfigurations "
            "BucketEncryption BucketName BucketNamePrefix BucketNamespace CorsConfiguration "
            "IntelligentTieringConfigurations InventoryConfigurations LifecycleConfiguration "
            "LoggingConfiguration MetadataConfiguration MetadataTableConfiguration "
            "MetricsConfigurations NotificationConfiguration ObjectLockConfiguration "
            "ObjectLockEnabled OwnershipControls PublicAccessBlockConfiguration "
            "ReplicationConfiguration Tags VersioningConfiguration WebsiteConfiguration"
        ),
        fixed="BucketName BucketNamePrefix BucketNamespace",
        attributes="Arn DomainName DualStackDomainName RegionalDomainName WebsiteURL",
    ),
    "AWS::S3::BucketPolicy": Schema(
        required="Bucket PolicyDocument",
        properties="Bucket PolicyDocument",
        fixed="Bucket",
    ),
    "AWS::SageMaker::Endpoint": Schema(
        required="EndpointConfigName",
        properties=(
            "DeploymentConfig EndpointConfigName EndpointName "
            "ExcludeRetainedVariantProperties RetainAllVariantProperties "
            "RetainDeploymentConfig Tags"
        ),
        fixed="EndpointName",
        attributes="EndpointArn",
    ),
    "AWS::SageMaker::EndpointConfig": Schema(
        required="ProductionVariants",
        properties=(
            "AsyncInferenceConfig DataCaptureConfig EnableNetworkIsolation EndpointConfigName "
            "ExecutionRoleArn ExplainerConfig KmsKeyId MetricsConfig ProductionVariants "
            "ShadowProductionVariants Tags VpcConfig"
        ),
        fixed=(
            "AsyncInferenceConfig DataCaptureConfig EnableNetworkIsolation EndpointConfigName "
            "ExecutionRoleArn ExplainerConfig KmsKeyId MetricsConfig ProductionVariants "
            "ShadowProductionVariants VpcConfig"
        ),
        attributes="EndpointConfigArn",
    ),
    "AWS::SageMaker::Model": Schema(
        properties=(
            "Containers EnableNetworkIsolation ExecutionRoleArn InferenceExecutionConfig "
            "ModelName PrimaryContainer Tags VpcConfig"
        ),
        fixed=(
            "Containers EnableNetworkIsolation ExecutionRoleArn InferenceExecutionConfig "
            "ModelName PrimaryContainer VpcConfig"
        ),
        attributes="ModelArn",
    ),
}
