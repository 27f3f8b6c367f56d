"""IDX files: every type and shape survives the round trip, and every kind of bad file is named."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nn.data import IdxFormatError, read_idx, write_idx

DTYPES = ["u1", "i1", "i2", "i4", "f4", "f8"]
HEADER = bytes([0, 0, 0x08, 1, 0, 0, 0, 3])  # three ubytes
VALID = HEADER + b"\x01\x02\x03"


def write(folder: Path, content: bytes, compress: bool = False) -> Path:
    path = folder / "some-file"
    path.write_bytes(gzip.compress(content) if compress else content)
    return path


def read_error(path: Path) -> str:
    with pytest.raises(IdxFormatError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in message
    assert message.startswith(f"{path}: expected ")
    assert ", found " in message
    assert "; " in message
    return message


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("code", DTYPES)
@given(data=st.data())
def test_round_trip_of_every_type_shape_and_byte_order(tmp_path_factory, code, suffix, data):
    order = data.draw(st.sampled_from("<>"))
    shape = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)
    array = data.draw(hnp.arrays(np.dtype(order + code), shape))
    array = data.draw(st.sampled_from([array, array.T, array[..., ::-1] if array.ndim else array]))
    path = tmp_path_factory.mktemp("idx") / f"array{suffix}"
    write_idx(path, array)
    back = read_idx(path)
    assert back.shape == array.shape
    assert back.dtype == np.dtype(code)
    assert back.dtype.isnative
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    ("type_code", "content", "expected"),
    [
        (0x08, "00 7f ff", np.array([0, 127, 255], np.uint8)),
        (0x09, "00 7f ff", np.array([0, 127, -1], np.int8)),
        (0x0B, "01 02 ff fe", np.array([258, -2], np.int16)),
        (0x0C, "00 01 00 00 ff ff ff ff", np.array([65536, -1], np.int32)),
        (0x0D, "3f 80 00 00 c0 00 00 00", np.array([1, -2], np.float32)),
        (0x0E, "3f f0 00 00 00 00 00 00", np.array([1], np.float64)),
    ],
)
def test_bytes_are_read_and_written_as_the_format_says(tmp_path, type_code, content, expected):
    header = struct.pack(">BBBBI", 0, 0, type_code, 1, len(expected))
    path = write(tmp_path, header + bytes.fromhex(content))
    back = read_idx(str(path))
    assert back.dtype == expected.dtype
    assert back.tolist() == expected.tolist()
    write_idx(tmp_path / "again", expected)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_dimensions_are_in_c_order(tmp_path):
    path = write(tmp_path, struct.pack(">BBBBII6B", 0, 0, 8, 2, 2, 3, *range(6)))
    assert read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_compression_is_told_by_content_and_written_by_name(tmp_path):
    assert read_idx(write(tmp_path, VALID, compress=True)).tolist() == [1, 2, 3]
    write_idx(tmp_path / "a.gz", np.zeros(1000, np.uint8))
    first = (tmp_path / "a.gz").read_bytes()
    assert first[:2] == b"\x1f\x8b"
    assert len(first) < 100
    write_idx(tmp_path / "a.gz", np.zeros(1000, np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == first


def test_lists_can_be_written(tmp_path):
    write_idx(tmp_path / "a", [0.5, 1.5])
    assert read_idx(tmp_path / "a").tolist() == [0.5, 1.5]


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.bool_, np.float16, np.complex64, object])
def test_types_outside_the_format_cannot_be_written(tmp_path, dtype):
    with pytest.raises(TypeError, match=rf"uint8, .*float64\), got {np.dtype(dtype)}.*astype"):
        write_idx(tmp_path / "a", np.zeros(2, dtype))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("compress", [False, True])
def test_truncated_data(tmp_path, compress):
    message = read_error(write(tmp_path, VALID[:-1], compress))
    assert "3 bytes of data for shape (3,) of uint8, found 2; the file is incomplete" in message


@pytest.mark.parametrize(("compress", "found"), [(False, "found 8;"), (True, "found 4 or more;")])
def test_trailing_garbage(tmp_path, compress, found):
    message = read_error(write(tmp_path, VALID + b"extra", compress))
    assert "3 bytes of data for shape (3,) of uint8" in message
    assert found in message
    assert "cut off what follows" in message


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_file_shorter_than_a_header(tmp_path, size, compress):
    message = read_error(write(tmp_path, VALID[:size], compress))
    assert f"found only {size} bytes" in message


@pytest.mark.parametrize("size", [4, 5, 7])
def test_header_cut_within_the_dimensions(tmp_path, size):
    message = read_error(write(tmp_path, VALID[:size]))
    assert f"expected 4 bytes for 1 dimensions, found {size - 4} bytes" in message


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    "content", [b"<html>Not found</html>", b"PK\x03\x04..", b"\x00\x01\x08\x01"]
)
def test_foreign_file(tmp_path, content, compress):
    message = read_error(write(tmp_path, content, compress))
    assert f"starts with two zero bytes, found {content[:4].hex(' ')}" in message


@pytest.mark.parametrize("code", [0x00, 0x07, 0x0A, 0x0F, 0xFF])
def test_unknown_type_code(tmp_path, code):
    message = read_error(write(tmp_path, VALID[:2] + bytes([code]) + VALID[3:]))
    assert "0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e" in message
    assert f"found 0x{code:02x};" in message


def test_more_dimensions_than_numpy_has(tmp_path):
    content = bytes([0, 0, 8, 65]) + struct.pack(">65I", *[1] * 65) + b"\x01"
    assert "at most 64 dimensions, found 65" in read_error(write(tmp_path, content))
    content = bytes([0, 0, 8, 64]) + struct.pack(">64I", *[1] * 64) + b"\x01"
    assert read_idx(write(tmp_path, content)).shape == (1,) * 64


def test_shape_that_numpy_cannot_hold(tmp_path):
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1)
    assert "a shape NumPy can hold, found (0, 4294967295" in read_error(write(tmp_path, content))


@pytest.mark.parametrize("compress", [False, True])
def test_a_huge_claim_takes_no_memory(tmp_path, compress):
    content = bytes([0, 0, 0x0E, 2]) + struct.pack(">2I", 2**31, 2**10) + bytes(100)
    path = write(tmp_path, content, compress)
    tracemalloc.start()
    try:
        message = read_error(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert f"expected {2**44} bytes" in message
    assert "found 100;" in message
    assert peak < 5_000_000


def test_a_flood_of_compressed_garbage_is_not_unpacked(tmp_path):
    path = write(tmp_path, VALID + bytes(50_000_000), compress=True)
    tracemalloc.start()
    try:
        read_error(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def damaged_gzip(kind: str) -> bytes:
    whole = gzip.compress(VALID + bytes(0), mtime=0)
    return {
        "cut": whole[:-9],
        "cut in the checksum": whole[:-2],
        "only the magic": whole[:2],
        "wrong checksum": whole[:-8] + b"\0\0\0\0" + whole[-4:],
        "wrong content": whole[:10] + b"\xff" * 6 + whole[16:],
        "garbage after the end": whole + b"garbage",
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "cut",
        "cut in the checksum",
        "only the magic",
        "wrong checksum",
        "wrong content",
        "garbage after the end",
    ],
)
def test_damaged_gzip(tmp_path, kind):
    path = tmp_path / "damaged.gz"
    path.write_bytes(damaged_gzip(kind))
    message = read_error(path)
    assert "an intact gzip file" in message
    assert "download it again" in message


def test_missing_file_and_folder(tmp_path):
    path = tmp_path / "absent"
    with pytest.raises(FileNotFoundError, match="expected an IDX file, found no such file; check"):
        read_idx(path)
    assert "found a folder; pass the file itself" in read_error(tmp_path)


@given(content=st.binary(max_size=40))
def test_any_bytes_give_an_array_or_the_one_error(tmp_path_factory, content):
    path = write(tmp_path_factory.mktemp("idx"), b"\0\0" + content)
    try:
        array = read_idx(path)
    except IdxFormatError:
        read_error(path)
    else:
        assert array.nbytes <= len(content)
