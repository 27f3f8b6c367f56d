"""Reading and writing IDX files, the array format in which MNIST is published.

The format: http://yann.lecun.com/exdb/mnist/ - two zero bytes, a type code, the number of
dimensions, each dimension as a big-endian uint32, then the elements, big-endian in C order.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}
_MAX_DIMENSIONS = 64  # NumPy's limit
_CHUNK = 1 << 20


class IdxFormatError(ValueError):
    """A file is not the IDX file it was expected to be; the message names file, finding and fix.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from nn.data import IdxFormatError, read_idx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "page.gz")
        ...     _ = path.write_text("<html>404</html>")
        ...     try:
        ...         read_idx(path)
        ...     except IdxFormatError as error:
        ...         print(str(error).replace(str(path), "page.gz"))
        page.gz: expected an IDX file, which starts with two zero bytes, found 3c 68 74 6d; \
this is another kind of file, download it again
    """


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return the array in an IDX file, plain or compressed with gzip.

    Whether a file is compressed is told by its content, not its name. The whole file is checked:
    memory is taken only for data that is there, whatever the header claims.

    Args:
        path: the file.

    Returns:
        A writable array in native byte order, of the shape and type in the file: uint8, int8,
        int16, int32, float32 or float64.

    Raises:
        FileNotFoundError: there is no such file.
        IdxFormatError: the file is of another kind, damaged, too short or too long.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from nn.data import read_idx, write_idx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "table.idx")
        ...     write_idx(path, np.array([[1, 2], [3, 4]], dtype=np.int16))
        ...     read_idx(path)
        array([[1, 2],
               [3, 4]], dtype=int16)
    """
    path = Path(path)
    if path.is_dir():
        _fail(path, "an IDX file", "a folder", "pass the file itself")
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected an IDX file, found no such file; check the path")
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not compressed:
            return _parse(path, file, available=os.fstat(file.fileno()).st_size)
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                return _parse(path, stream, available=None)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            _fail(path, "an intact gzip file", str(error).rstrip("."), "download it again")


def _fail(path: Path, expected: str, found: str, fix: str) -> NoReturn:
    raise IdxFormatError(f"{path}: expected {expected}, found {found}; {fix}") from None


def _parse(path: Path, stream: BinaryIO | gzip.GzipFile, available: int | None) -> NDArray[Any]:
    """Read the array from `stream`, which holds `available` bytes if that is known."""
    dtype, shape, header_size = _read_header(path, stream)
    size = math.prod(shape) * dtype.itemsize
    if available is None:
        # How much is in a gzip stream is known only by reading it; one byte more shows an excess.
        data = _read_at_most(stream, size + 1)
        excess, found_size = "or more", len(data)
    else:
        excess, found_size = "", available - header_size
        data = _read_at_most(stream, size) if found_size == size else bytearray()
    if found_size != size or len(data) != size:
        expected = f"{size} bytes of data for shape {shape} of {dtype.name}"
        if found_size > size:
            found, fix = f"{found_size} {excess}".rstrip(), "cut off what follows the data"
        else:
            found, fix = f"{found_size}", "the file is incomplete"
        _fail(path, expected, found, f"{fix}, or download it again")
    try:
        array: NDArray[Any] = np.ndarray(shape, dtype, buffer=data)
    except ValueError as error:
        _fail(path, "a shape NumPy can hold", f"{shape} ({error})", "download it again")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(
    path: Path, stream: BinaryIO | gzip.GzipFile
) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return the dtype, the shape and the size in bytes of the header."""
    magic = stream.read(4)
    if magic[:2] != b"\0\0" and len(magic) >= 2:
        expected = "an IDX file, which starts with two zero bytes"
        fix = "this is another kind of file, download it again"
        _fail(path, expected, magic.hex(" "), fix)
    if len(magic) < 4:
        found = f"only {len(magic)} bytes"
        _fail(path, "an IDX file with a header of at least 4 bytes", found, "download it again")
    code, ndim = magic[2], magic[3]
    if code not in _DTYPES:
        codes = ", ".join(f"0x{known:02x}" for known in _DTYPES)
        _fail(path, f"an IDX type code ({codes})", f"0x{code:02x}", "download the file again")
    if ndim > _MAX_DIMENSIONS:
        _fail(path, f"at most {_MAX_DIMENSIONS} dimensions", f"{ndim}", "download the file again")
    dimensions = stream.read(4 * ndim)
    if len(dimensions) < 4 * ndim:
        found = f"{len(dimensions)} bytes"
        _fail(path, f"{4 * ndim} bytes for {ndim} dimensions", found, "download the file again")
    return _DTYPES[code], struct.unpack(f">{ndim}I", dimensions), 4 + 4 * ndim


def _read_at_most(stream: BinaryIO | gzip.GzipFile, limit: int) -> bytearray:
    """Read up to `limit` bytes, growing with what arrives rather than with `limit`."""
    data = bytearray()
    while len(data) < limit and (chunk := stream.read(min(_CHUNK, limit - len(data)))):
        data += chunk
    return data


def write_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write an array as an IDX file, compressed with gzip if the name ends in `.gz`.

    Args:
        path: the file, replaced if it exists. Equal arrays give equal files.
        array: any shape; uint8, int8, int16, int32, float32 or float64.

    Raises:
        TypeError: the format has no code for the array's dtype.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from nn.data import write_idx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels-idx1-ubyte")
        ...     write_idx(path, np.array([7, 2, 1], dtype=np.uint8))
        ...     path.read_bytes().hex(" ")
        '00 00 08 01 00 00 00 03 07 02 01'
    """
    path, values = Path(path), np.asarray(array)
    code = _CODES.get(values.dtype.newbyteorder("="))
    if code is None:
        names = ", ".join(dtype.name for dtype in _CODES)
        raise TypeError(
            f"write_idx: expected one of IDX's types ({names}), got {values.dtype.name}; "
            f"convert with array.astype(...)"
        )
    header = struct.pack(f">2xBB{values.ndim}I", code, values.ndim, *values.shape)
    content = header + values.astype(_DTYPES[code], copy=False).tobytes()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
