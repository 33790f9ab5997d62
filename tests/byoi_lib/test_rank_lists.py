"""Object arrays of ranks: read, or refused before anything in them runs."""

import io
import pickle

import numpy as np
import pytest

from byoi import errors
from byoi_lib import datasets


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return io.BytesIO(stream.getvalue())


def objects(*rows):
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


class Call:
    """Pickles as a call of any function, the way an attack would."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_lists_come_back_as_they_were():
    rows = [[1, 22, 333], [], [88_584]]
    assert datasets.read_rank_lists(npy(objects(*rows))) == rows


def pickled_as_numpy_1(rows):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"shape": (len(rows),), "fortran_order": False, "descr": "|O"}
    )
    # Protocol 3 writes names as lines, so that the older name can stand for the newer one.
    stream.write(pickle.dumps(objects(*rows), protocol=3).replace(b"numpy._core", b"numpy.core"))
    stream.seek(0)
    return stream


def test_a_file_of_numpy_1_is_read():
    assert datasets.read_rank_lists(pickled_as_numpy_1([[1], [2, 3]])) == [[1], [2, 3]]


def test_a_foreign_function_is_refused_and_never_called(tmp_path):
    target = tmp_path / "made"
    attack = npy(objects([1], Call(target.mkdir)))
    with pytest.raises(errors.DatasetError, match=r"asks for .*getattr.* expected lists"):
        datasets.read_rank_lists(attack)
    assert not target.exists()


@pytest.mark.parametrize("function", [eval, print, np.load])
def test_functions_of_any_module_are_refused(function):
    with pytest.raises(errors.DatasetError, match="it may be an attack"):
        datasets.read_rank_lists(npy(objects(Call(function, "1"))))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3, np.int32), "expected a row of objects"),
        (np.full((2, 2), None, object), "expected a row of objects"),
        (objects([1], "two"), "review 1 is no list of whole numbers"),
        (objects([1.5]), "review 0 is no list of whole numbers"),
        (objects([True]), "review 0 is no list of whole numbers"),
        (objects([3, 0]), "has the rank 0"),
    ],
)
def test_other_content_is_refused(array, message):
    with pytest.raises(ValueError, match=message):
        datasets.read_rank_lists(npy(array))


def test_a_damaged_pickle_is_refused():
    body = npy(objects([1, 2, 3])).getvalue()
    with pytest.raises(ValueError, match="damaged"):
        datasets.read_rank_lists(io.BytesIO(body[:-9]))


def test_a_pickle_of_something_else_is_refused():
    stream = npy(objects([1, 2]))
    header = stream.getvalue()[:128]
    with pytest.raises(ValueError, match="list pickled where an array"):
        datasets.read_rank_lists(io.BytesIO(header + pickle.dumps([[1, 2]])))


def test_no_npy_file_is_refused():
    with pytest.raises(ValueError, match="magic"):
        datasets.read_rank_lists(io.BytesIO(b"nothing of the kind"))
