"""Write the bill of materials of an image: CycloneDX JSON, of what is installed in it.

    build/audit/bin/python container/sbom.py byoi:latest build/byoi-latest.cdx.json

The image is asked itself: Python packages from their metadata, Debian's from dpkg. Nothing is
attached to the image: SageMaker refuses an image with an attestation. `make image` runs this.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

# What the image's own Python prints.
_PYTHON_PACKAGES = """
import importlib.metadata as metadata, json
print(json.dumps([
    [one.metadata["Name"], one.version, one.metadata.get("License-Expression")]
    for one in metadata.distributions()
]))
"""
_DEBIAN_PACKAGES = [
    "dpkg-query",
    "--show",
    "--showformat=${Package}\t${Version}\t${Architecture}\n",
]


def run_in(image: str, *command: str) -> str:
    """Run a program in a container of an image, without a network; return what it printed.

    Raises:
        subprocess.CalledProcessError: It failed; docker's message was shown.
    """
    docker = [os.environ.get("DOCKER") or "docker", "run", "--rm", "--network=none"]
    return subprocess.check_output([*docker, image, *command], text=True)


def python_components(listed: str) -> Iterator[Component]:
    """Yield a component for each Python package.

    Args:
        listed: JSON, `[name, version, licence]` of each; the same one may be there twice.
    """
    for name, version, stated in sorted({tuple(one) for one in json.loads(listed)}, key=str):
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"python:{name}",
            licenses=[LicenseFactory().make_from_string(stated)] if stated else (),
            purl=PackageURL("pypi", None, name.lower().replace("_", "-"), version),
        )


def debian_components(listed: str) -> Iterator[Component]:
    """Yield a component for each Debian package.

    Args:
        listed: Lines of name, version and architecture, with a tab between them.
    """
    for line in listed.splitlines():
        name, version, architecture = line.split("\t")
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"debian:{name}:{architecture}",
            purl=PackageURL("deb", "debian", name, version, {"arch": architecture}),
        )


def document(image: str, described: dict[str, Any], components: list[Component]) -> str:
    """Return the bill of materials as JSON.

    Args:
        image: Its reference.
        described: As `docker image inspect` describes it.
        components: What is in it.
    """
    bom = Bom(components=components)
    bom.metadata.component = Component(
        type=ComponentType.CONTAINER,
        name=image.rpartition(":")[0] or image,
        version=described["Id"],
        bom_ref="image",
        properties=[
            Property(name="docker:reference", value=image),
            Property(name="docker:architecture", value=described["Architecture"]),
        ],
    )
    bom.register_dependency(bom.metadata.component, components)
    text: str = JsonV1Dot6(bom).output_as_string(indent=2)
    return text


def main() -> None:
    """Ask the image and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("image")
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    docker = [os.environ.get("DOCKER") or "docker", "image", "inspect", options.image]
    try:
        (described,) = json.loads(subprocess.check_output(docker, text=True))
        components = [
            *python_components(run_in(options.image, "python", "-c", _PYTHON_PACKAGES)),
            *debian_components(run_in(options.image, *_DEBIAN_PACKAGES)),
        ]
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"no bill of materials of {options.image} was written: {error}")
    options.file.parent.mkdir(parents=True, exist_ok=True)
    text = document(options.image, described, components)
    options.file.write_text(f"{text}\n", encoding="utf-8")
    print(f"{len(components)} packages of {options.image} are listed in {options.file}")


if __name__ == "__main__":
    main()
