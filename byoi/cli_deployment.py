"""The verbs of `byoi` that deploy: `deploy`, `endpoints`, `delete`.

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
import datetime as dt
import functools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byoi import cli_values, errors, extras, terminal

# Forgotten endpoints cost money; `--expires never` keeps one.
EXPIRES = "24h"


def add_verbs(verbs: Any) -> None:
    """Add the verbs to argparse's subparsers."""
    deploy = verbs.add_parser("deploy", help="create an endpoint on AWS, or update it")
    deploy.add_argument("image", metavar="IMAGE", help="image in ECR, with tag or digest")
    deploy.add_argument("--name", required=True, help="name of the endpoint")
    deploy.add_argument(
        "--model-data",
        metavar="FILE|DIR|s3://...",
        help="a model.tar.gz; or, not packed, the files of a folder, or of an S3 prefix that ends "
        "in /; default: the model data in the image",
    )
    deploy.add_argument("--instance-type", default="ml.m5.large", metavar="TYPE")
    deploy.add_argument("--instances", type=int, default=1, metavar="N", help="number of instances")
    deploy.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="an environment variable of the container; NAME alone takes the value from this "
        "command's environment, so that a secret is not visible in the process list",
    )
    deploy.add_argument(
        "--expires",
        default=EXPIRES,
        metavar="WHEN",
        help="when `byoi delete --expired` may delete it: 8h, 3d, never, 2026-12-01T10:00Z; "
        f"default: {EXPIRES}",
    )
    deploy.add_argument(
        "--role",
        metavar="ARN",
        help="default: BYOI_ROLE_ARN, or the output of the stack byoi-execution-role",
    )
    deploy.add_argument(
        "--startup-timeout",
        type=int,
        metavar="S",
        help="seconds until /ping must return 200, 60 to 3600; default: derived from the start-up "
        "time measured on this machine",
    )
    _add_placement(deploy)
    deploy.add_argument("--skip-preflight", action="store_true", help="deploy without the checks")
    deploy.set_defaults(run=_deploy)

    endpoints = verbs.add_parser(
        "endpoints", help="list the endpoints of byoi deploy, and when they expire"
    )
    endpoints.set_defaults(run=_endpoints)

    delete = verbs.add_parser("delete", help="delete endpoints with configurations and models")
    chosen = delete.add_mutually_exclusive_group(required=True)
    chosen.add_argument("names", nargs="*", default=[], metavar="NAME")
    chosen.add_argument("--expired", action="store_true", help="all expired endpoints")
    chosen.add_argument("--all", action="store_true", help="all endpoints of byoi deploy")
    delete.add_argument("--yes", action="store_true", help="delete without confirmation")
    delete.set_defaults(run=_delete)


def _add_placement(deploy: argparse.ArgumentParser) -> None:
    placement = deploy.add_argument_group("where it runs")
    placement.add_argument(
        "--no-network", action="store_true", help="a container without network access"
    )
    placement.add_argument(
        "--subnet",
        action="append",
        default=[],
        metavar="ID",
        help="connect the container to this subnet of a VPC; two, in different zones",
    )
    placement.add_argument(
        "--security-group",
        action="append",
        default=[],
        metavar="ID",
        help="security group of its connections to the VPC",
    )
    placement.add_argument(
        "--volume-size",
        type=int,
        metavar="GB",
        help="size of each instance's volume, 1 to 512; not for types with a local disk",
    )
    placement.add_argument(
        "--kms-key",
        metavar="KEY",
        help="id, alias/NAME or ARN of the key that encrypts volumes and uploads",
    )
    placement.add_argument(
        "--download-timeout",
        type=int,
        metavar="S",
        help="seconds for the model data to be downloaded and unpacked, 60 to 3600",
    )


def _deploy(options: argparse.Namespace) -> None:
    extras.require("byoi deploy", "boto3", "docker")
    from byoi import deployment
    from byoi.conformance import Payload
    from byoi.deployment import container_check, preparation, tags
    from byoi.deployment.placement import Placement
    from byoi.deployment.plan import EndpointSpec

    spec = EndpointSpec(
        options.image,
        options.model_data,
        name=options.name,
        role_arn=options.role,
        instance_type=options.instance_type,
        instance_count=options.instances,
        environment=cli_values.environment(options.env),
        startup_timeout_s=options.startup_timeout,
        placement=Placement(
            has_network=not options.no_network,
            subnets=options.subnet,
            security_groups=options.security_group,
            volume_gb=options.volume_size,
            kms_key=options.kms_key,
            download_timeout_s=options.download_timeout,
        ),
        expires=tags.parse_expiry(options.expires, dt.datetime.now(dt.UTC)),
        is_checked=not options.skip_preflight,
    )
    prepared = preparation.prepare(
        deployment.connect(),
        spec,
        progress=_show,
        try_container=functools.partial(
            container_check.check, archive=spec.archive, payload=Payload.read(_sample(spec.archive))
        ),
    )
    name = prepared.plan.endpoint_name
    try:
        outcome = prepared.deploy(progress=_show)
    except KeyboardInterrupt:
        print(
            "\nstopped waiting; the deployment continues on AWS. To wait for it, run the same "
            f"command again; to remove the endpoint, run `byoi delete {name}`",
            file=sys.stderr,
        )
        raise
    print(f"endpoint {name}: {outcome}, until {tags.to_text(spec.expires)}")
    print(terminal.one_line(f"invoke it:  byoi invoke {name} {_body_to_try(spec.archive)}"))
    print(f"delete it:  byoi delete {name}")


def _body_to_try(archive: Path | None) -> str:
    """Return the option of `byoi invoke` that sends a project's sample request."""
    if sample := _sample(archive):
        return f"--file {shlex.quote(str(sample))}"
    return "--file BODY   # a file with a request, such as body.json; - is standard input"


def _sample(archive: Path | None) -> Path | None:
    """Return the file of a project's sample request.

    Args:
        archive: The model data, which may lie in the project's folder, if this is no project.
    """
    from byoi.project import Project

    for folder in filter(None, [Path(), archive and archive.parent]):
        try:
            sample = Project.find(folder).sample
        except errors.ConfigurationError:  # it has several, and the endpoint is there all the same
            continue
        if sample is not None:
            return sample
    return None


def _endpoints(_options: argparse.Namespace) -> None:
    extras.require("byoi endpoints", "boto3")
    from byoi import deployment
    from byoi.deployment import inventory, price

    account = deployment.connect()
    found = inventory.find_endpoints(account)
    if not found:
        print(f"no endpoints of byoi deploy in {account.region}")
        return
    pricing = account.client("pricing", region=price.API_REGION)

    @functools.cache
    def per_hour(kind: str, count: int) -> str:
        return price.per_hour_line(pricing, kind, account.region, count)

    now = dt.datetime.now(dt.UTC)
    rows = [("NAME", "STATUS", "INSTANCES", "SINCE", "UNTIL", "PRICE")]
    for one in found:
        until = _time(one.expires, "never") + (" EXPIRED" if one.is_expired(now) else "")
        lines = [per_hour(kind, count) for kind, count in one.instances]
        prices = " + ".join(line.removeprefix("price: ") for line in lines)
        instances = ", ".join(f"{count} {kind}" for kind, count in one.instances) or "-"
        rows.append((one.name, one.status, instances, _time(one.created, "-"), until, prices))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        print(terminal.one_line(line.rstrip()))


def _delete(options: argparse.Namespace) -> None:
    extras.require("byoi delete", "boto3")
    from byoi import deployment
    from byoi.deployment import inventory

    account = deployment.connect()
    names = options.names
    if options.all or options.expired:
        found = inventory.find_endpoints(account)
        names = [one.name for one in found]
        if options.expired:
            names = inventory.find_expired(found, dt.datetime.now(dt.UTC))
        if not names:
            print("nothing to delete")
            return
        if not options.yes:
            _ask(names)
    inventory.delete_endpoints(account, names, progress=_show)


def _ask(names: Sequence[str]) -> None:
    """Raise unless the user at a terminal confirms."""
    print(terminal.one_line(f"to delete: {', '.join(names)}"))
    if not sys.stdin.isatty():
        raise errors.ConfigurationError(
            "nothing was deleted: no terminal to ask for confirmation; add --yes"
        )
    if input("delete? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise errors.ConfigurationError("nothing was deleted")


def _time(time: dt.datetime | None, otherwise: str) -> str:
    return time.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC") if time else otherwise


def _show(line: str) -> None:
    print(terminal.message(line), flush=True)
