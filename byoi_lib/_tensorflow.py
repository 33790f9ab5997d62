"""TensorFlow and Keras, imported without the messages that they print on import.

TensorFlow writes about processors and absent CUDA drivers to file descriptor 2, in part
before it reads any of its settings. In a notebook these lines would stand between a cell and
its result, and differ from machine to machine. So every module imports TensorFlow from here,
and this module alone does work on import. If the import fails, everything is printed.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["keras", "tf"]

# Read by TensorFlow once, on import: errors only, unless the user has set another level.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def _descriptor_2_held_back() -> Iterator[None]:
    """Hold back what is written to descriptor 2, and write it if the block fails."""
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


with _descriptor_2_held_back():
    import keras
    import tensorflow as tf
