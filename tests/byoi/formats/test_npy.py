import numpy as np
import pytest
from npy_bodies import npy, raw_npy

from byoi import errors
from byoi.formats.decoder import read_npy


def refused(body):
    with pytest.raises(errors.MalformedBody) as caught:
        read_npy(body)
    return str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "caf\u00e9"]),
        np.array(["", "\U0001f600"]),
        np.array(["ab", "c"], ">U2"),
        np.array(["a", "b", "c"])[::2],
        np.array([1, 5], np.uint8),
        np.array([[1, 5], [1, 6]], np.uint16),
        np.array([[1, 2], [3, 4]], ">i2"),
        np.asfortranarray([[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_what_numpy_saves_is_read(array):
    received = read_npy(npy(array))
    assert received.dtype == array.dtype
    assert received.shape == array.shape
    assert (received == array).all()


def test_one_text_is_a_list_of_one():
    assert read_npy(npy(np.array("a"))).tolist() == ["a"]


def test_version_2_of_the_format_is_read():
    header = "{'descr':'|u1','fortran_order':False,'shape':(2,)}"
    assert read_npy(raw_npy(header, b"\1\2", (2, 0))).tolist() == [1, 2]


def test_the_largest_character_is_taken():
    body = raw_npy("{'descr':'<U1','fortran_order':False,'shape':(1,)}", b"\xff\xff\x10\0")
    assert read_npy(body).tolist() == ["\U0010ffff"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not in NumPy's .npy format 1.0 or 2.0; write it with numpy.save"),
        (b"PK\3\4", "not in NumPy's .npy format"),
        (
            raw_npy("{'descr':'|u1','fortran_order':False,'shape':(1,)}", b"1", (3, 0)),
            "not in",
        ),
        (raw_npy("("), "not in NumPy's"),
        (raw_npy("[1, 2"), "not in NumPy's"),
        (raw_npy("'" * 3), "not in NumPy's"),
        (raw_npy("(" * 9_000), "not in NumPy's"),
        (raw_npy("{" * 100_000, version=(2, 0)), "not in NumPy's"),
        (raw_npy("{'descr':'|u1','fortran_order':False,'shape':(1.5,)}", b"1"), "not in"),
        (
            npy(np.array(["a"], object), allow_pickle=True),
            "the array has dtype object and shape",
        ),
        (
            npy(np.array([1.5])),
            "the array has dtype float64 and shape (1,), expected texts (<U)",
        ),
        (npy(np.array([True])), "the array has dtype bool"),
        (npy(np.array([b"a"])), "the array has dtype |S1"),
        (npy(np.array([(1, 2)], "i4,i4")), "the array has dtype"),
        (npy(np.array([["a"]])), "the array has dtype <U1 and shape (1, 1)"),
        (npy(np.array(5)), "the array has dtype int64 and shape ()"),
        (npy(np.ones((1, 1, 1), np.uint8)), "the array has dtype uint8 and shape (1, 1, 1)"),
        (npy(np.ones((1, 1, 1), int)), "the array has dtype int64 and shape (1, 1, 1)"),
        (npy(np.ones(0, int)), "shape (0,), expected"),
        (npy(np.ones((2, 0), int)), "shape (2, 0), expected"),
        (
            npy(np.array([1, 2]))[:-1],
            "dtype int64 and shape (2,) are 16 bytes, received 15; send",
        ),
        (npy(np.array([1, 2])) + b"x", "are 16 bytes, received 17; send the whole array"),
        (
            raw_npy("{'descr':'<i8','fortran_order':False,'shape':(1000000000000,)}"),
            "are 8000000000000 bytes, received 0",
        ),
        (
            raw_npy("{'descr':'<i8','fortran_order':False,'shape':(0,10**30)}"),
            "not in NumPy's",
        ),
        (
            raw_npy(f"{{'descr':'<i8','fortran_order':False,'shape':(0,{10**30})}}"),
            "shape (0, 1",
        ),
        (
            raw_npy("{'descr':'<i8','fortran_order':False,'shape':(-1,-1)}", b"8" * 8),
            "(-1, -1)",
        ),
        (raw_npy("{'descr':'<U0','fortran_order':False,'shape':(1000000000,)}"), "dtype <U0"),
        (raw_npy("{'descr':'2<i4','fortran_order':False,'shape':(1,)}", b"8" * 8), "dtype"),
        (
            raw_npy("{'descr':'<U1','fortran_order':False,'shape':(1,)}", b"\0\0\x11\0"),
            "the array's texts hold a number that is no character",
        ),
    ],
)
def test_what_is_not_such_an_array_is_refused(body, message):
    assert message in refused(body)


def test_a_pickle_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    refused(npy(np.array([Trap()], object), allow_pickle=True))
    assert not (tmp_path / "sprung").exists()
