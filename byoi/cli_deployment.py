"""The verbs of `byoi` that deploy: `deploy`, `endpoints`, `delete`.

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
import datetime as dt
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byoi import errors, extras

# Forgotten endpoints cost money; one that is to stay is asked for with `never`.
EXPIRES = "24h"


def add_verbs(verbs: Any) -> None:
    """Add them to `argparse`'s subparsers."""
    deploy = verbs.add_parser("deploy", help="create an endpoint on AWS, or update it")
    deploy.add_argument("image", metavar="IMAGE", help="image in ECR, with tag or digest")
    deploy.add_argument("--name", required=True, help="name of the endpoint")
    deploy.add_argument(
        "--model-data", metavar="FILE|s3://...", help="a model.tar.gz; default: none"
    )
    deploy.add_argument("--instance-type", default="ml.m5.large", metavar="TYPE")
    deploy.add_argument("--instances", type=int, default=1, metavar="N", help="how many")
    deploy.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="for the container"
    )
    deploy.add_argument(
        "--expires",
        default=EXPIRES,
        metavar="WHEN",
        help="when `byoi delete --expired` may delete it: 8h, 3d, never, 2026-12-01T10:00Z; "
        f"default: {EXPIRES}",
    )
    deploy.add_argument(
        "--role", metavar="ARN", help="default: BYOI_ROLE_ARN, or of the stack byoi-execution-role"
    )
    deploy.add_argument(
        "--startup-timeout",
        type=int,
        metavar="S",
        help="seconds for /ping to turn 200, 60 to 3600; default: from how long it takes here",
    )
    deploy.add_argument(
        "--skip-preflight", action="store_true", help="create without looking first"
    )
    deploy.set_defaults(run=_deploy)

    endpoints = verbs.add_parser("endpoints", help="list what byoi deploy made, and until when")
    endpoints.set_defaults(run=_endpoints)

    delete = verbs.add_parser("delete", help="delete endpoints with all they are made of")
    chosen = delete.add_mutually_exclusive_group(required=True)
    chosen.add_argument("names", nargs="*", default=[], metavar="NAME")
    chosen.add_argument("--expired", action="store_true", help="all whose time is over")
    chosen.add_argument("--all", action="store_true", help="all that byoi deploy made")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(run=_delete)


def _deploy(options: argparse.Namespace) -> None:
    extras.require("byoi deploy", "boto3", "docker")
    from byoi import deployment
    from byoi.deployment import preflight, price, startup, tags
    from byoi.deployment.plan import make_plan, upload_model_data

    environment = _environment(options.env)
    expires = tags.parse_expiry(options.expires, dt.datetime.now(dt.UTC))
    account = deployment.connect()
    plan = make_plan(
        account,
        options.name,
        options.image,
        options.model_data,
        role_arn=options.role,
        instance_type=options.instance_type,
        instance_count=options.instances,
        environment=environment,
        startup_timeout_s=options.startup_timeout,
        expires=expires,
    )
    is_here = options.model_data and not options.model_data.startswith("s3://")
    if not options.skip_preflight:
        findings = preflight.check(account, plan, is_uploaded=not is_here)
        for finding in findings:
            # What would fail is in the error below.
            if finding.is_ok is not False:
                print(preflight.to_text(finding))
        preflight.require(findings)
    print(price.line(account, plan), flush=True)
    if upload_model_data(account, plan, options.model_data):
        print(f"uploaded {options.model_data} to {plan.model_data_url}")
    try:
        outcome = deployment.deploy(
            account,
            plan,
            progress=_say,
            find_startup_timeout_s=functools.partial(
                startup.find_timeout_s,
                plan.image_uri,
                Path(options.model_data) if is_here else None,
                environment,
                progress=_say,
            ),
        )
    except KeyboardInterrupt:
        print(
            f"\nstopped waiting; what was begun goes on: deploy again to wait for it, or "
            f"`byoi delete {plan.endpoint_name}`",
            file=sys.stderr,
        )
        raise
    print(f"endpoint {plan.endpoint_name}: {outcome}, until {tags.to_text(expires)}")
    print(f'ask it something:  byoi invoke {plan.endpoint_name} "Not bad at all."')
    print(f"delete it:         byoi delete {plan.endpoint_name}")


def _endpoints(_options: argparse.Namespace) -> None:
    extras.require("byoi endpoints", "boto3")
    from byoi import deployment
    from byoi.deployment import inventory, price

    account = deployment.connect()
    found = inventory.running(account)
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
        print(line.rstrip())


def _delete(options: argparse.Namespace) -> None:
    extras.require("byoi delete", "boto3")
    from byoi import deployment
    from byoi.deployment import inventory

    account = deployment.connect()
    names = options.names
    if options.all or options.expired:
        found = inventory.running(account)
        now = dt.datetime.now(dt.UTC)
        names = inventory.expired(found, now) if options.expired else [one.name for one in found]
        if not names:
            print("nothing to delete")
            return
        if not options.yes:
            _ask(names)
    inventory.delete(account, names, progress=_say)


def _ask(names: Sequence[str]) -> None:
    """Raise unless somebody at a terminal agrees."""
    print(f"to delete: {', '.join(names)}")
    if not sys.stdin.isatty():
        raise errors.ConfigurationError(
            "nothing was deleted: nobody is at a terminal to ask; add --yes"
        )
    if input("delete? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise errors.ConfigurationError("nothing was deleted")


def _environment(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise errors.ConfigurationError(f"--env {pair!r}: expected NAME=VALUE")
        found[name] = value
    return found


def _time(time: dt.datetime | None, otherwise: str) -> str:
    return time.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC") if time else otherwise


def _say(line: str) -> None:
    print(line, flush=True)
