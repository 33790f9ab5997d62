"""The memory and the processors of SageMaker's instance types, from their names.

Source: EC2's instance types (aws.amazon.com/ec2/instance-types): within a family, memory is
proportional to the processors, and the size is the number of processors. SageMaker's types are the
same, with the prefix `ml.`.
"""

import re

from byoi import errors

_NAME = re.compile(r"(?:ml\.)?([a-z]+)\d+[a-z-]*\.([\w]+)")
# GiB of memory for each virtual processor.
_GIB_A_CPU = {"c": 2, "m": 4, "r": 8}
_CPUS = {"medium": 1, "large": 2, "xlarge": 4}
_MULTIPLE = re.compile(r"(\d+)xlarge")
_T_GIB = {"medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_GIB = 1 << 30
# Graviton types have a "g" after the generation, as in m8gd and c7gn; g5g has a GPU, too.
_GRAVITON = re.compile(r"(?:ml\.)?[a-z]+\d+g[a-z]*\.")


def of(instance_type: str) -> int:
    """Return the memory of an instance type in bytes.

    Raises:
        ConfigurationError: Its family or size is not known here.
    """
    match = _NAME.fullmatch(instance_type)
    family, size = match.groups() if match else ("", "")
    if family == "t" and size in _T_GIB:
        return _T_GIB[size] * _GIB
    multiple = _MULTIPLE.fullmatch(size)
    cpus = 4 * int(multiple[1]) if multiple else _CPUS.get(size, 0)
    if family not in _GIB_A_CPU or not cpus:
        raise errors.ConfigurationError(
            f"the memory of {instance_type} is not known here; expected a type such as "
            "ml.m5.large, of the families c, m, r and t"
        )
    return cpus * _GIB_A_CPU[family] * _GIB


def architecture_of(instance_type: str) -> str:
    """Return the architecture of an instance type as images name it: arm64 for Graviton."""
    return "arm64" if _GRAVITON.match(instance_type) else "amd64"
