"""TensorFlow and Keras, imported without the remarks they print while they load.

TensorFlow writes about processors and absent CUDA drivers to file descriptor 2, in part
before any setting of its own is read. In a notebook those lines would stand between a
cell and its result, and differ from machine to machine. So every module that uses
TensorFlow takes it from here, and this one module works on import. An import that fails
still says all it has to say.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["keras", "tf"]

# Read by TensorFlow once, while it is imported: errors only, unless the user wants more.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def _descriptor_2_put_aside() -> Iterator[None]:
    """Keep what is written to it meanwhile, and write it after all where the block fails."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as remarks:
        os.dup2(remarks.fileno(), 2)
        try:
            yield
        except BaseException:
            remarks.seek(0)
            os.write(terminal, remarks.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


with _descriptor_2_put_aside():
    import keras
    import tensorflow as tf
