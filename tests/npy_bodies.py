"""Bodies in NumPy's .npy format, well-formed and not."""

import io

import numpy as np


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def raw_npy(header, content=b"", version=(1, 0)):
    """Write what numpy.save never would."""
    header = header.encode("latin1") + b" " * 20 + b"\n"
    size = len(header).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + size + header + content
