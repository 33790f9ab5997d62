"""The services around SageMaker: each action that is vouched for, asked by boto3."""

import datetime as dt
import json
import time

import pytest
from botocore.exceptions import ClientError
from emulated_aws import trust

from byoi.emulator.aws import logs

ACCOUNT = "123456789012"
ALLOW = {"Sid": "a", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [ALLOW]})
TRUST = trust("sagemaker.amazonaws.com")


def code(call, *arguments, **parameters):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    return caught.value.response["Error"]["Code"]


class TestLogs:
    """CloudWatch Logs."""

    @pytest.fixture
    def group(self, in_processes):
        client = in_processes.logs
        client.create_log_group(
            logGroupName="/of/test",
            tags={"a": "b"},
            kmsKeyId="key",
            logGroupClass="STANDARD",
            deletionProtectionEnabled=False,
        )
        yield "/of/test"
        client.delete_log_group(logGroupName="/of/test")

    def test_groups_are_found_and_tagged(self, in_processes, group):
        client = in_processes.logs
        client.put_retention_policy(logGroupName=group, retentionInDays=7)
        [found] = client.describe_log_groups(logGroupNamePrefix="/of/", limit=1)["logGroups"]
        assert (found["logGroupName"], found["retentionInDays"]) == (group, 7)
        assert found["kmsKeyId"] == "key"
        client.create_log_group(logGroupName="/of/other")
        first = client.describe_log_groups(logGroupNamePrefix="/of/", limit=1)
        rest = client.describe_log_groups(
            logGroupNamePrefix="/of/", limit=1, nextToken=first["nextToken"]
        )
        client.delete_log_group(logGroupName="/of/other")
        pages = [[one["logGroupName"] for one in page["logGroups"]] for page in (first, rest)]
        assert pages == [["/of/other"], [group]]
        assert client.describe_log_groups(logGroupNamePrefix="/nobody")["logGroups"] == []
        client.delete_retention_policy(logGroupName=group)
        [found] = client.describe_log_groups(logGroupNamePrefix="/of/")["logGroups"]
        assert "retentionInDays" not in found
        arn = found["logGroupArn"] if "logGroupArn" in found else found["arn"].removesuffix(":*")
        client.tag_resource(resourceArn=arn, tags={"c": "d"})
        assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b", "c": "d"}
        client.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "d"}

    @pytest.fixture
    def now_ms(self):
        return int(time.time() * 1000)

    @pytest.fixture
    def events(self, in_processes, group, now_ms):
        client = in_processes.logs
        for stream, moments in {"one/a": (0, 2, 4), "one/b": (1, 3), "two/c": (5,)}.items():
            client.create_log_stream(logGroupName=group, logStreamName=stream)
            client.put_log_events(
                logGroupName=group,
                logStreamName=stream,
                sequenceToken="any",
                logEvents=[
                    {"timestamp": now_ms + moment, "message": f"ERROR at {moment} of {stream}"}
                    for moment in moments
                ],
            )
        return group

    def read(self, in_processes, now_ms, **parameters):
        answer = in_processes.logs.get_log_events(logStreamName="one/a", **parameters)
        return [one["timestamp"] - now_ms for one in answer["events"]], answer

    def test_a_streams_events_have_limits(self, in_processes, events, now_ms):
        def read(**parameters):
            return self.read(in_processes, now_ms, logGroupName=events, **parameters)

        assert read()[0] == [0, 2, 4]
        assert read(startTime=now_ms + 2)[0] == [2, 4]
        # API GetLogEvents: an event at the end is not among them.
        assert read(startTime=now_ms, endTime=now_ms + 4)[0] == [0, 2]
        assert read(limit=1)[0] == [4]
        first, answer = read(limit=2, startFromHead=True)
        assert first == [0, 2]
        assert read(limit=2, nextToken=answer["nextForwardToken"])[0] == [4]
        assert read(limit=5, nextToken=answer["nextForwardToken"])[0] == [4]

    def test_streams_are_found_and_in_order(self, in_processes, events):
        def names(**parameters):
            found = in_processes.logs.describe_log_streams(logGroupName=events, **parameters)
            return [one["logStreamName"] for one in found["logStreams"]]

        assert names() == ["one/a", "one/b", "two/c"]
        assert names(logStreamNamePrefix="one/") == ["one/a", "one/b"]
        assert names(orderBy="LastEventTime", descending=True, limit=2) == ["two/c", "one/a"]
        first = in_processes.logs.describe_log_streams(logGroupName=events, limit=1)
        assert names(nextToken=first["nextToken"]) == ["one/b", "two/c"]
        in_processes.logs.delete_log_stream(logGroupName=events, logStreamName="two/c")
        assert names() == ["one/a", "one/b"]

    @pytest.mark.parametrize(
        ("parameters", "moments"),
        [
            ({}, [0, 1, 2, 3, 4, 5]),
            ({"interleaved": True}, [0, 1, 2, 3, 4, 5]),
            ({"logStreamNames": ["one/b"]}, [1, 3]),
            ({"logStreamNamePrefix": "one/"}, [0, 1, 2, 3, 4]),
            ({"logStreamNamePrefix": "none"}, []),
            ({"filterPattern": "ERROR"}, [0, 1, 2, 3, 4, 5]),
            ({"filterPattern": "WARNING"}, []),
            ({"filterPattern": "error"}, []),
            ({"filterPattern": 'ERROR "of two/c"'}, [5]),
            ({"filterPattern": '"at 3"'}, [3]),
            ({"filterPattern": 'ERROR -"one/a"'}, [1, 3, 5]),
            ({"filterPattern": '?"at 1" ?"at 2"'}, [1, 2]),
        ],
    )
    def test_events_are_filtered(self, in_processes, events, now_ms, parameters, moments):
        answer = in_processes.logs.filter_log_events(logGroupName=events, **parameters)
        assert [one["timestamp"] - now_ms for one in answer["events"]] == moments

    def test_filtered_events_have_limits_and_pages(self, in_processes, events, now_ms):
        client = in_processes.logs
        span = {"startTime": now_ms + 1, "endTime": now_ms + 4}
        first = client.filter_log_events(logGroupName=events, **span, limit=3)
        rest = client.filter_log_events(
            logGroupName=events, **span, limit=3, nextToken=first["nextToken"]
        )
        found = [[one["timestamp"] - now_ms for one in page["events"]] for page in (first, rest)]
        assert found == [[1, 2, 3], [4]]
        assert "nextToken" not in rest
        assert {one["logStreamName"] for one in first["events"]} == {"one/a", "one/b"}

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("{ $.level = ERROR }", "NotEmulated"),
            ("[ip, user, ...]", "NotEmulated"),
            ("%ERR.R%", "NotEmulated"),
            ("?a b", "NotEmulated"),
            ("at:3", "InvalidParameterException"),
            ('"open', "InvalidParameterException"),
        ],
    )
    def test_other_patterns_are_refused(self, in_processes, group, pattern, expected):
        call = in_processes.logs.filter_log_events
        assert code(call, logGroupName=group, filterPattern=pattern) == expected

    def test_what_is_not_there_is_said(self, in_processes):
        client = in_processes.logs
        for call, more in [
            (client.filter_log_events, {}),
            (client.describe_log_streams, {}),
            (client.get_log_events, {"logStreamName": "any"}),
            (client.delete_log_group, {}),
        ]:
            assert code(call, logGroupName="nobody", **more) == "ResourceNotFoundException"
        assert code(client.describe_log_groups, limit=51) == "InvalidParameterException"
        assert code(client.create_log_group, logGroupName="a b") == "InvalidParameterException"
        assert code(client.get_log_events, logStreamName="a") == "InvalidParameterException"
        assert code(client.filter_log_events) == "InvalidParameterException"

    def test_an_empty_pattern_matches_all(self):
        assert logs.matcher("")("anything")


class TestS3:
    """S3: what moto does right is taken, the rest refused."""

    @pytest.fixture
    def bucket(self, in_processes):
        client = in_processes.s3
        client.create_bucket(Bucket="of-around")
        yield "of-around"
        for one in client.list_object_versions(Bucket="of-around").get("Versions", []):
            client.delete_object(Bucket="of-around", Key=one["Key"], VersionId=one["VersionId"])
        client.delete_bucket(Bucket="of-around")

    def test_a_bucket_keeps_its_settings(self, in_processes, bucket):
        client = in_processes.s3
        assert bucket in [one["Name"] for one in client.list_buckets()["Buckets"]]
        assert [one["Name"] for one in client.list_buckets(Prefix="of-a")["Buckets"]] == [bucket]
        client.head_bucket(Bucket=bucket, ExpectedBucketOwner=ACCOUNT)
        assert client.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
        tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
        client.put_bucket_tagging(Bucket=bucket, Tagging=tags)
        assert client.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags["TagSet"]
        client.delete_bucket_tagging(Bucket=bucket)
        client.put_bucket_policy(Bucket=bucket, Policy=POLICY)
        assert client.get_bucket_policy(Bucket=bucket)["Policy"] == POLICY
        client.delete_bucket_policy(Bucket=bucket)
        block = {"BlockPublicAcls": True, "IgnorePublicAcls": True,
                 "BlockPublicPolicy": True, "RestrictPublicBuckets": True}  # fmt: skip
        client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
        found = client.get_public_access_block(Bucket=bucket)
        assert found["PublicAccessBlockConfiguration"] == block
        client.delete_public_access_block(Bucket=bucket)
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        wanted = {"Rules": [rule]}
        client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=wanted)
        found = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
        assert found["Rules"][0]["ApplyServerSideEncryptionByDefault"] == rule.popitem()[1]
        client.delete_bucket_encryption(Bucket=bucket)
        cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
        client.put_bucket_cors(Bucket=bucket, CORSConfiguration=cors)
        assert client.get_bucket_cors(Bucket=bucket)["CORSRules"] == cors["CORSRules"]
        client.delete_bucket_cors(Bucket=bucket)

    def test_objects_are_put_read_listed_and_deleted(self, in_processes, bucket):
        client = in_processes.s3
        put = client.put_object(
            Bucket=bucket,
            Key="a/1",
            Body=b"0123456789",
            ContentType="text/plain",
            Metadata={"of": "test"},
            Tagging="c=d",
            ServerSideEncryption="AES256",
            ExpectedBucketOwner=ACCOUNT,
        )
        got = client.get_object(Bucket=bucket, Key="a/1")
        assert got["Body"].read() == b"0123456789"
        assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"of": "test"})
        assert client.head_object(Bucket=bucket, Key="a/1")["ContentLength"] == 10
        found = client.get_object_tagging(Bucket=bucket, Key="a/1")["TagSet"]
        assert found == [{"Key": "c", "Value": "d"}]
        client.put_object_tagging(Bucket=bucket, Key="a/1", Tagging={"TagSet": []})
        assert client.get_object_tagging(Bucket=bucket, Key="a/1")["TagSet"] == []
        client.delete_object_tagging(Bucket=bucket, Key="a/1")
        shown = client.get_object_attributes(
            Bucket=bucket, Key="a/1", ObjectAttributes=["ETag", "ObjectSize"]
        )
        assert (shown["ObjectSize"], f'"{shown["ETag"]}"') == (10, put["ETag"])
        client.copy_object(Bucket=bucket, Key="b/2", CopySource=f"{bucket}/a/1")
        for name in ("list_objects", "list_objects_v2"):
            call = getattr(client, name)
            assert [one["Key"] for one in call(Bucket=bucket)["Contents"]] == ["a/1", "b/2"]
            assert [one["Key"] for one in call(Bucket=bucket, Prefix="b/")["Contents"]] == ["b/2"]
            found = call(Bucket=bucket, Delimiter="/")["CommonPrefixes"]
            assert [one["Prefix"] for one in found] == ["a/", "b/"]
        first = client.list_objects_v2(Bucket=bucket, MaxKeys=1)
        rest = client.list_objects_v2(
            Bucket=bucket, ContinuationToken=first["NextContinuationToken"]
        )
        assert [one["Key"] for one in rest["Contents"]] == ["b/2"]
        client.delete_object(Bucket=bucket, Key="a/1")
        gone = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b/2"}]})
        assert [one["Key"] for one in gone["Deleted"]] == ["b/2"]
        assert code(client.get_object, Bucket=bucket, Key="a/1") == "NoSuchKey"

    def test_conditions_and_ranges_are_respected(self, in_processes, bucket):
        client = in_processes.s3
        etag = client.put_object(Bucket=bucket, Key="a", Body=b"0123456789")["ETag"]
        here = {"Bucket": bucket, "Key": "a"}
        assert client.get_object(**here, Range="bytes=2-4")["Body"].read() == b"234"
        assert client.get_object(**here, IfMatch=etag)["ContentLength"] == 10
        assert code(client.get_object, **here, IfMatch='"other"') == "PreconditionFailed"
        assert code(client.get_object, **here, IfNoneMatch=etag) == "304"
        assert code(client.head_object, **here, IfNoneMatch=etag) == "304"
        later = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
        assert code(client.get_object, **here, IfModifiedSince=later) == "304"
        assert code(client.put_object, **here, Body=b"x", IfNoneMatch="*") == "PreconditionFailed"
        assert code(client.put_object, **here, Body=b"x", IfMatch='"other"') == (
            "PreconditionFailed"
        )
        assert code(client.get_object, **here, Range="bytes=50-60") == "InvalidRange"
        shown = client.get_object(**here, ResponseContentType="text/x")
        assert shown["ContentType"] == "text/x"
        with pytest.raises(ClientError):
            client.copy_object(
                Bucket=bucket, Key="b", CopySource=f"{bucket}/a", CopySourceIfNoneMatch=etag
            )

    def test_versions_are_kept(self, in_processes, bucket):
        client = in_processes.s3
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        old, new = (
            client.put_object(Bucket=bucket, Key="a", Body=body)["VersionId"]
            for body in (b"old", b"new")
        )
        found = client.list_object_versions(Bucket=bucket)["Versions"]
        assert [one["VersionId"] for one in found] == [new, old]
        assert client.get_object(Bucket=bucket, Key="a", VersionId=old)["Body"].read() == b"old"

    def test_parts_become_an_object(self, in_processes, bucket):
        client = in_processes.s3
        here = {"Bucket": bucket, "Key": "whole"}
        client.put_object(Bucket=bucket, Key="end", Body=b"end")
        upload = client.create_multipart_upload(**here, ContentType="text/x")["UploadId"]
        [pending] = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
        assert pending["UploadId"] == upload
        body = b"x" * 5 * 1024 * 1024
        first = client.upload_part(**here, UploadId=upload, PartNumber=1, Body=body)["ETag"]
        last = client.upload_part_copy(
            **here, UploadId=upload, PartNumber=2, CopySource=f"{bucket}/end"
        )["CopyPartResult"]["ETag"]
        parts = [{"ETag": etag, "PartNumber": n} for n, etag in enumerate((first, last), 1)]
        found = client.list_parts(**here, UploadId=upload)["Parts"]
        assert [one["PartNumber"] for one in found] == [1, 2]
        client.complete_multipart_upload(**here, UploadId=upload, MultipartUpload={"Parts": parts})
        assert client.get_object(**here)["Body"].read() == body + b"end"
        upload = client.create_multipart_upload(**here)["UploadId"]
        client.abort_multipart_upload(**here, UploadId=upload)
        assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


class TestIam:
    """IAM and STS."""

    @pytest.fixture
    def iam(self, in_processes):
        return in_processes.client("iam")

    def test_a_role_and_its_policies(self, iam):
        iam.create_role(
            RoleName="around",
            Path="/of/",
            AssumeRolePolicyDocument=json.dumps(TRUST),
            Description="first",
            MaxSessionDuration=7200,
            Tags=[{"Key": "a", "Value": "b"}],
        )
        role = iam.get_role(RoleName="around")["Role"]
        assert role["AssumeRolePolicyDocument"] == TRUST
        assert (role["Path"], role["MaxSessionDuration"]) == ("/of/", 7200)
        [found] = iam.list_roles(PathPrefix="/of/")["Roles"]
        assert found["RoleName"] == "around"
        iam.update_role(RoleName="around", Description="second", MaxSessionDuration=3600)
        assert iam.get_role(RoleName="around")["Role"]["Description"] == "second"
        iam.update_assume_role_policy(RoleName="around", PolicyDocument=json.dumps(TRUST))
        iam.put_role_policy(RoleName="around", PolicyName="inline", PolicyDocument=POLICY)
        shown = iam.get_role_policy(RoleName="around", PolicyName="inline")
        assert shown["PolicyDocument"] == json.loads(POLICY)
        assert iam.list_role_policies(RoleName="around")["PolicyNames"] == ["inline"]
        iam.tag_role(RoleName="around", Tags=[{"Key": "c", "Value": "d"}])
        iam.untag_role(RoleName="around", TagKeys=["a"])
        assert iam.list_role_tags(RoleName="around")["Tags"] == [{"Key": "c", "Value": "d"}]
        arn = iam.create_policy(PolicyName="managed", PolicyDocument=POLICY)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="around", PolicyArn=arn)
        [attached] = iam.list_attached_role_policies(RoleName="around")["AttachedPolicies"]
        assert attached["PolicyArn"] == arn
        iam.put_role_permissions_boundary(RoleName="around", PermissionsBoundary=arn)
        role = iam.get_role(RoleName="around")["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
        assert code(iam.delete_role, RoleName="around") == "DeleteConflict"
        iam.delete_role_permissions_boundary(RoleName="around")
        iam.detach_role_policy(RoleName="around", PolicyArn=arn)
        iam.delete_role_policy(RoleName="around", PolicyName="inline")
        iam.delete_role(RoleName="around")
        assert code(iam.get_role, RoleName="around") == "NoSuchEntity"
        iam.delete_policy(PolicyArn=arn)

    def test_a_managed_policy_has_versions(self, iam):
        made = iam.create_policy(PolicyName="versions", PolicyDocument=POLICY)
        arn = {"PolicyArn": made["Policy"]["Arn"]}
        found = iam.list_policies(Scope="Local", PathPrefix="/")["Policies"]
        assert arn["PolicyArn"] in [one["Arn"] for one in found]
        assert iam.list_policies(Scope="Local", PathPrefix="/nobody/")["Policies"] == []
        iam.create_policy_version(**arn, PolicyDocument=POLICY, SetAsDefault=False)
        iam.set_default_policy_version(**arn, VersionId="v2")
        assert iam.get_policy(**arn)["Policy"]["DefaultVersionId"] == "v2"
        version = iam.get_policy_version(**arn, VersionId="v2")["PolicyVersion"]
        assert version["Document"] == json.loads(POLICY)
        iam.delete_policy_version(**arn, VersionId="v1")
        found = iam.list_policy_versions(**arn)["Versions"]
        assert [one["VersionId"] for one in found] == ["v2"]
        iam.delete_policy(**arn)

    def test_a_user_and_its_keys(self, iam):
        iam.create_user(UserName="around")
        assert iam.get_user(UserName="around")["User"]["UserName"] == "around"
        assert "around" in [one["UserName"] for one in iam.list_users()["Users"]]
        key = iam.create_access_key(UserName="around")["AccessKey"]["AccessKeyId"]
        iam.update_access_key(UserName="around", AccessKeyId=key, Status="Inactive")
        [found] = iam.list_access_keys(UserName="around")["AccessKeyMetadata"]
        assert (found["AccessKeyId"], found["Status"]) == (key, "Inactive")
        iam.delete_access_key(UserName="around", AccessKeyId=key)
        iam.delete_user(UserName="around")

    def test_a_session_is_of_a_role(self, in_processes):
        sts = in_processes.client("sts")
        assert sts.get_caller_identity()["Account"] == ACCOUNT
        given = sts.assume_role(RoleArn=in_processes.role, RoleSessionName="around")
        key = given["Credentials"]["AccessKeyId"]
        assert sts.get_access_key_info(AccessKeyId=key)["Account"] == ACCOUNT


@pytest.mark.needs("docker-registry")
def test_a_repository_keeps_its_settings(in_processes):
    ecr = in_processes.client("ecr")
    made = ecr.create_repository(
        repositoryName="around", tags=[{"Key": "a", "Value": "b"}], registryId=ACCOUNT
    )["repository"]
    here = {"repositoryName": "around"}
    [found] = ecr.describe_repositories(repositoryNames=["around"])["repositories"]
    assert found["repositoryUri"] == made["repositoryUri"]
    arn = {"resourceArn": made["repositoryArn"]}
    ecr.tag_resource(**arn, tags=[{"Key": "c", "Value": "d"}])
    ecr.untag_resource(**arn, tagKeys=["a"])
    assert ecr.list_tags_for_resource(**arn)["tags"] == [{"Key": "c", "Value": "d"}]
    selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    text = json.dumps({"rules": [rule]})
    ecr.put_lifecycle_policy(**here, lifecyclePolicyText=text)
    assert json.loads(ecr.get_lifecycle_policy(**here)["lifecyclePolicyText"]) == json.loads(text)
    ecr.delete_lifecycle_policy(**here)
    statement = {"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ecr.set_repository_policy(**here, policyText=policy)
    assert json.loads(ecr.get_repository_policy(**here)["policyText"]) == json.loads(policy)
    ecr.delete_repository_policy(**here)
    assert ecr.list_images(**here)["imageIds"] == []
    assert ecr.describe_images(**here)["imageDetails"] == []
    wanted = [{"imageTag": "none"}]
    assert ecr.batch_get_image(**here, imageIds=wanted)["images"] == []
    assert ecr.batch_delete_image(**here, imageIds=wanted)["failures"]
    assert ecr.get_authorization_token()["authorizationData"]
    ecr.delete_repository(**here, force=True)
    assert code(ecr.describe_repositories, repositoryNames=["around"]) == (
        "RepositoryNotFoundException"
    )
