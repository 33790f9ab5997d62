"""Resources of IAM, S3, ECR and CloudWatch Logs in a stack, made by the calls of their APIs.

Sources: CloudFormation's reference of these types; API reference of each service.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from byoi.emulator.aws.clients import Clients
from byoi.emulator.aws.errors import NotEmulatedError, ResourceFailedError
from byoi.emulator.aws.resource_types import Made, Place, ResourceType, tags_of

_BUCKET = "BucketEncryption BucketName OwnershipControls PublicAccessBlockConfiguration Tags"


def types(clients: Clients) -> Iterable[ResourceType]:
    """Yield the types.

    Args:
        clients: Make the calls.
    """
    bind = functools.partial
    yield ResourceType(
        "AWS::IAM::Role",
        bind(_make_role, clients),
        "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path "
        "PermissionsBoundary Policies RoleName Tags",
        "RoleName",
    )
    yield ResourceType(
        "AWS::IAM::RolePolicy",
        bind(_make_role_policy, clients),
        "PolicyDocument PolicyName RoleName",
    )
    yield ResourceType(
        "AWS::IAM::Policy",
        bind(_make_inline_policy, clients),
        "PolicyDocument PolicyName Roles Users Groups",
    )
    yield ResourceType(
        "AWS::IAM::ManagedPolicy",
        bind(_make_managed_policy, clients),
        "Description ManagedPolicyName Path PolicyDocument Roles Users Groups",
        "ManagedPolicyName",
    )
    yield ResourceType(
        "AWS::S3::Bucket",
        bind(_make_bucket, clients),
        f"{_BUCKET} VersioningConfiguration",
        "BucketName",
    )
    yield ResourceType(
        "AWS::S3::BucketPolicy", bind(_make_bucket_policy, clients), "Bucket PolicyDocument"
    )
    yield ResourceType(
        "AWS::ECR::Repository",
        bind(_make_repository, clients),
        "EmptyOnDelete ImageTagMutability LifecyclePolicy RepositoryName RepositoryPolicyText Tags",
        "RepositoryName",
    )
    yield ResourceType(
        "AWS::Logs::LogGroup",
        bind(_make_log_group, clients),
        "LogGroupName RetentionInDays Tags",
        "LogGroupName",
    )


def _make_role(clients: Clients, place: Place, properties: dict[str, Any]) -> Made:
    call = functools.partial(clients.call, "iam", place.region)
    name = {"RoleName": place.name}
    asked = {
        "AssumeRolePolicyDocument": properties["AssumeRolePolicyDocument"],
        **_picked(properties, "Path Description MaxSessionDuration PermissionsBoundary"),
    }
    role = call("CreateRole", {**name, **asked, "Tags": _tags(tags_of(properties))})["Role"]

    def delete() -> None:
        _attach(call, name, {}, detaching=True)
        call("DeleteRole", name)

    def change(wanted: dict[str, Any]) -> None:
        document = {"PolicyDocument": wanted["AssumeRolePolicyDocument"]}
        call("UpdateAssumeRolePolicy", {**name, **document})
        call("UpdateRole", {
            **name, "Description": wanted.get("Description", ""),
            "MaxSessionDuration": wanted.get("MaxSessionDuration", 3600),
        })  # fmt: skip
        if wanted.get("PermissionsBoundary"):
            boundary = _picked(wanted, "PermissionsBoundary")
            call("PutRolePermissionsBoundary", {**name, **boundary})
        else:
            call("DeleteRolePermissionsBoundary", name)
        had = call("ListRoleTags", name)["Tags"]
        if had:
            call("UntagRole", {**name, "TagKeys": [one["Key"] for one in had]})
        if tags := _tags(tags_of(wanted)):
            call("TagRole", {**name, "Tags": tags})
        _attach(call, name, wanted, detaching=True)

    made = Made(place.name, delete, change, {"Arn": role["Arn"], "RoleId": role["RoleId"]})
    _or_undo(made, lambda: _attach(call, name, properties))
    return made


def _attach(
    call: Any, name: Mapping[str, str], properties: Mapping[str, Any], *, detaching: bool = False
) -> None:
    """Give a role the inline and managed policies of its properties, and take away others."""
    inline = {str(one["PolicyName"]): one["PolicyDocument"] for one in
              properties.get("Policies") or ()}  # fmt: skip
    managed = properties.get("ManagedPolicyArns") or []
    if detaching:
        for one in call("ListRolePolicies", name)["PolicyNames"]:
            if one not in inline:
                call("DeleteRolePolicy", {**name, "PolicyName": one})
        for each in call("ListAttachedRolePolicies", name)["AttachedPolicies"]:
            if each["PolicyArn"] not in managed:
                call("DetachRolePolicy", {**name, "PolicyArn": each["PolicyArn"]})
    for policy, document in inline.items():
        call("PutRolePolicy", {**name, "PolicyName": policy, "PolicyDocument": document})
    for arn in managed:
        call("AttachRolePolicy", {**name, "PolicyArn": arn})


def _make_role_policy(clients: Clients, place: Place, properties: dict[str, Any]) -> Made:
    call = functools.partial(clients.call, "iam", place.region)
    name = _picked(properties, "RoleName PolicyName")

    def change(wanted: dict[str, Any]) -> None:
        if "PolicyDocument" not in wanted:
            raise ResourceFailedError("Property PolicyDocument cannot be empty.")
        call("PutRolePolicy", {**name, "PolicyDocument": wanted["PolicyDocument"]})

    change(properties)
    return Made(
        f"{name['PolicyName']}|{name['RoleName']}",
        functools.partial(_forgiving, call, "DeleteRolePolicy", name),
        change,
    )


def _holders(properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return kind and name of each role, user and group that a policy is for."""
    return [
        (kind, str(name))
        for kind in ("Role", "User", "Group")
        for name in properties.get(f"{kind}s") or ()
    ]


def _make_inline_policy(clients: Clients, place: Place, properties: dict[str, Any]) -> Made:
    call = functools.partial(clients.call, "iam", place.region)
    # Kind and name of whoever may have it, with the policy's name.
    had: set[tuple[str, str, str]] = set()

    def take(kind: str, holder: str, policy: str) -> None:
        _forgiving(call, f"Delete{kind}Policy", {f"{kind}Name": holder, "PolicyName": policy})

    def change(wanted: dict[str, Any]) -> None:
        if not _holders(wanted):
            raise ResourceFailedError("At least one of [Groups,Roles,Users] must be non-empty.")
        now = {(kind, holder, str(wanted["PolicyName"])) for kind, holder in _holders(wanted)}
        before, asked = set(had), _picked(wanted, "PolicyName PolicyDocument")
        had.update(now)
        for kind, holder, _ in sorted(now):
            call(f"Put{kind}Policy", {f"{kind}Name": holder, **asked})
        for one in before - now:
            take(*one)
        had.intersection_update(now)

    def delete() -> None:
        for one in had:
            take(*one)

    made = Made(place.name, delete, change)
    _or_undo(made, lambda: change(properties))
    return made


def _make_managed_policy(clients: Clients, place: Place, properties: dict[str, Any]) -> Made:
    call = functools.partial(clients.call, "iam", place.region)
    asked = _picked(properties, "Path Description PolicyDocument")
    arn = call("CreatePolicy", {"PolicyName": place.name, **asked})["Policy"]["Arn"]
    policy = {"PolicyArn": arn}

    def attach(wanted: Mapping[str, Any]) -> None:
        now = _holders(wanted)
        attached = call("ListEntitiesForPolicy", policy)
        for kind in ("Role", "User", "Group"):
            for one in attached[f"Policy{kind}s"]:
                name = one[f"{kind}Name"]
                if (kind, name) not in now:
                    call(f"Detach{kind}Policy", {**policy, f"{kind}Name": name})
        for kind, name in now:
            call(f"Attach{kind}Policy", {**policy, f"{kind}Name": name})

    def change(wanted: dict[str, Any]) -> None:
        versions = call("ListPolicyVersions", policy)["Versions"]
        document = _picked(wanted, "PolicyDocument")
        call("CreatePolicyVersion", {**policy, **document, "SetAsDefault": True})
        for one in versions:
            call("DeletePolicyVersion", {**policy, "VersionId": one["VersionId"]})
        attach(wanted)

    def delete() -> None:
        attach({})
        call("DeletePolicy", policy)

    made = Made(arn, delete, change, {"PolicyArn": arn})
    _or_undo(made, lambda: attach(properties))
    return made


def _make_bucket(clients: Clients, place: Place, properties: dict[str, Any]) -> Made:
    call = functools.partial(clients.call, "s3", place.region)
    name = {"Bucket": place.name}
    where = {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
    call("CreateBucket", {**name, **({} if place.region == "us-east-1" else where)})

    def change(wanted: dict[str, Any]) -> None:
        _configure_bucket(call, name, wanted)
        if tags := _tags(tags_of(wanted)):
            call("PutBucketTagging", {**name, "Tagging": {"TagSet": tags}})
        else:
            call("DeleteBucketTagging", name)

    domain = f"{place.name}.s3"
    attributes = {
        "Arn": f"arn:aws:s3:::{place.name}",
        "DomainName": f"{domain}.amazonaws.com",
        "DualStackDomainName": f"{domain}.dualstack.{place.region}.amazonaws.com",
        "RegionalDomainName": f"{domain}.{place.region}.amazonaws.com",
    }
    made = Made(place.name, lambda: call("DeleteBucket", name), change, attributes)
    _or_undo(made, lambda: change(properties))
    return made


def _configure_bucket(call: Any, name: Mapping[str, str], wanted: Mapping[str, Any]) -> None:
    if encryption := wanted.get("BucketEncryption"):
        rules = [
            {
                "ApplyServerSideEncryptionByDefault": one.get("ServerSideEncryptionByDefault"),
                **_picked(one, "BucketKeyEnabled"),
            }
            for one in encryption["ServerSideEncryptionConfiguration"]
        ]
        rule = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
        call("PutBucketEncryption", {**name, **rule})
    else:
        call("DeleteBucketEncryption", name)
    if controls := wanted.get("OwnershipControls"):
        call("PutBucketOwnershipControls", {**name, "OwnershipControls": controls})
    else:
        call("DeleteBucketOwnershipControls", name)
    if block := wanted.get("PublicAccessBlockConfiguration"):
        call("PutPublicAccessBlock", {**name, "PublicAccessBlockConfiguration": block})
    else:
        call("DeletePublicAccessBlock", name)
    if versioning := wanted.get("VersioningConfiguration"):
        call("PutBucketVersioning", {**name, "VersioningConfiguration": versioning})


def _make_bucket_policy(clients: Clients, place: Place, properties: dict[str, Any]) -> Made:
    call = functools.partial(clients.call, "s3", place.region)
    name = {"Bucket": properties["Bucket"]}

    def change(wanted: dict[str, Any]) -> None:
        call("PutBucketPolicy", {**name, "Policy": wanted["PolicyDocument"]})

    if _has_policy(call, name):
        bucket = properties["Bucket"]
        raise ResourceFailedError(f"The bucket policy already exists on bucket {bucket}.")
    change(properties)
    delete = functools.partial(_forgiving, call, "DeleteBucketPolicy", name)
    return Made(str(properties["Bucket"]), delete, change)


def _has_policy(call: Any, name: Mapping[str, Any]) -> bool:
    try:
        call("GetBucketPolicy", name)
    except ResourceFailedError as error:
        if "NoSuchBucketPolicy" in str(error) or "policy does not exist" in str(error):
            return False
        raise
    return True


def _make_repository(clients: Clients, place: Place, properties: dict[str, Any]) -> Made:
    call = functools.partial(clients.call, "ecr", place.region)
    name = {"repositoryName": place.name}
    mutable = {"imageTagMutability": properties.get("ImageTagMutability")}
    if properties.get("ImageTagMutability", "MUTABLE") not in {"MUTABLE", "IMMUTABLE"}:
        raise NotEmulatedError("ImageTagMutability with exclusions of AWS::ECR::Repository")
    tags = _tags(tags_of(properties))
    record = call("CreateRepository", {**name, **mutable, "tags": tags})["repository"]
    attributes = {"Arn": record["repositoryArn"], "RepositoryUri": record["repositoryUri"]}
    force = str(properties.get("EmptyOnDelete", False)).lower() == "true"
    made = Made(
        place.name, lambda: call("DeleteRepository", {**name, "force": force}), None, attributes
    )

    def configure() -> None:
        if text := properties.get("RepositoryPolicyText"):
            call("SetRepositoryPolicy", {**name, "policyText": text})
        if policy := properties.get("LifecyclePolicy"):
            text = policy.get("LifecyclePolicyText")
            call("PutLifecyclePolicy", {**name, "lifecyclePolicyText": text})

    _or_undo(made, configure)
    return made


def _make_log_group(clients: Clients, place: Place, properties: dict[str, Any]) -> Made:
    call = functools.partial(clients.call, "logs", place.region)
    name = {"logGroupName": place.name}
    call("CreateLogGroup", name)

    def change(wanted: dict[str, Any]) -> None:
        had = list(call("ListTagsLogGroup", name).get("tags", {}))
        if left := [one for one in had if one not in tags_of(wanted)]:
            call("UntagLogGroup", {**name, "tags": left})
        if tags := tags_of(wanted):
            call("TagLogGroup", {**name, "tags": tags})
        days = wanted.get("RetentionInDays")
        if days is None:
            call("DeleteRetentionPolicy", name)
        else:
            call("PutRetentionPolicy", {**name, "retentionInDays": days})

    (found,) = [
        one
        for one in call("DescribeLogGroups", {"logGroupNamePrefix": place.name})["logGroups"]
        if one["logGroupName"] == place.name
    ]
    made = Made(place.name, lambda: call("DeleteLogGroup", name), change, {"Arn": found["arn"]})
    _or_undo(made, lambda: change(properties))
    return made


def _picked(properties: Mapping[str, Any], names: str) -> dict[str, Any]:
    return {name: properties[name] for name in names.split() if name in properties}


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _forgiving(call: Any, action: str, parameters: Mapping[str, Any]) -> None:
    """Delete what may have gone with what it belongs to."""
    try:
        call(action, parameters)
    except ResourceFailedError as error:
        if not any(code in str(error) for code in ("NoSuchEntity", "NoSuchBucket")):
            raise


def _or_undo(made: Made, finish: Any) -> None:
    """Finish a resource; delete it if that fails."""
    try:
        finish()
    except Exception:
        made.delete()
        raise
