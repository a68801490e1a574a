"""Reads what `torch.save` wrote, without PyTorch and without running anything that the file asks to run.

Such a file is a pickle, and a pickle may call any function. Here only what makes up tensors and plain containers is
called. All else that real files hold beside their weights (states of optimisers, configurations, classes of packages
that are not here) is passed over: something that does nothing stands in its place, and nothing of it is ever imported.
"""

import math
import operator
import os
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from r3d_jax.errors import InputError

_DTYPES = {
    **{"Float": np.float32, "Double": np.float64, "Half": np.float16, "BFloat16": jnp.bfloat16},
    **{"Long": np.int64, "Int": np.int32, "Short": np.int16, "Char": np.int8, "Byte": np.uint8, "Bool": np.bool_},
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_UNREADABLE = (
    "{path} cannot be read ({reason}); if PyTorch can (pip install torch), save its state dict from there with "
    "safetensors.torch.save_file, and convert that file"
)


class _PassedOver:
    """What stands in the place of anything that is no tensor and no plain container: it takes everything, does nothing.

    One class for all of them, so that a million names cost no memory. It has no `__dict__`, so that a pickle can change
    nothing of it.
    """

    __slots__ = ()

    def __new__(cls, *_, **__):
        return object.__new__(cls)

    def __call__(self, *_, **__):
        return self

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    append = extend = add = __setstate__


class _Dict(dict):
    """What stands in the place of an OrderedDict, whose attributes (PyTorch's `_metadata`) are passed over."""

    __slots__ = ()

    def __init__(self, pairs=()):  # a list of them from Python 2, emptied so that none is copied a million times
        super().__init__(pairs)
        pairs and pairs.clear()

    def __setstate__(self, state):
        pass


class _Storage(NamedTuple):
    """The flat array that tensors are views of."""

    values: np.ndarray


def read_pth(path: Path) -> Any:
    """The object in a file of `torch.save`, in either of its formats, with NumPy arrays for tensors.

    For example, `read_pth(Path("weights.pth"))["fc.weight"]`. bfloat16 comes as `jax.numpy.bfloat16`. What is neither
    tensor nor plain container comes as an object that does nothing, whatever the file asks for.

    Raises:
      InputError: the file is damaged, is in another format, or would take more memory than its size explains.
    """
    with path.open("rb") as file:
        read = _read_zip if file.read(4) == b"PK\x03\x04" else _read_legacy
        file.seek(0)
        try:
            return read(path, file)
        except InputError:
            raise
        except Exception as error:  # bytes that are no pickle can raise anything
            reason = f"{type(error).__name__}: {error}".partition("\n")[0][:120]
            raise InputError(_UNREADABLE.format(path=path, reason=reason)) from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, path, storage):
        super().__init__(file, encoding="utf-8", errors="surrogateescape")  # Python 2 wrote bytes where text is meant
        self._path, self._storage = path, storage

    def find_class(self, module, name):
        return _ALLOWED.get((module, name), _PassedOver)

    def persistent_load(self, pid):
        kind, dtype, key, _, count, *view = pid
        if kind != "storage":
            return _PassedOver()
        if dtype not in _DTYPES:
            return self._storage(str(key), None, count)
        values = self._storage(str(key), np.dtype(_DTYPES[dtype]), count)
        if view and view[0] is not None:  # files of PyTorch's first releases: a part of another storage
            _, offset, size = view[0]
            values = values[slice(*map(operator.index, (offset, offset + size)))]
        return _Storage(values)


def _unpickle(file, path, storage):
    """The next object in `file`, once its instructions have been looked through without following them."""
    start = file.tell()
    for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):  # raises where bytes are missing
        if instruction.name.endswith("PUT") and argument > count:
            raise InputError(f"{path} numbers its objects so that reading it would take all memory; refused")
    file.seek(start)
    return _Unpickler(file, path, storage).load()


def _read_zip(path, file):
    with zipfile.ZipFile(file) as archive:
        size = os.path.getsize(path)
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if not pickles or any(name.endswith("/constants.pkl") for name in archive.namelist()):
            raise InputError(_UNREADABLE.format(path=path, reason="a TorchScript program or another archive"))
        if len(set(archive.namelist())) < len(archive.namelist()):
            raise InputError(f"{path} holds two entries of one name, of which one would be lost; refused")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise InputError(_UNREADABLE.format(path=path, reason="written on a big-endian machine"))
        if sum(entry.file_size for entry in archive.infolist()) > size:  # torch.save does not compress
            raise InputError(f"{path} unpacks to more than its own size; refused")
        storages = {}

        def storage(key, dtype, count):
            if dtype is None:
                return _PassedOver()
            if key not in storages:
                storages[key] = np.frombuffer(archive.read(f"{root}data/{key}"), dtype)
            return storages[key]

        with archive.open(pickles[0]) as content:
            return _unpickle(content, path, storage)


def _read_legacy(path, file):
    """Pickles in a row (magic number, version, machine, the object, storage keys), then the storages' bytes."""
    size = os.path.getsize(path)
    storages = {}

    def storage(key, dtype, count):
        nonlocal size
        if dtype is None:
            raise InputError(_UNREADABLE.format(path=path, reason="tensors of a type that NumPy does not have"))
        if key not in storages:
            size -= count * dtype.itemsize
            if size < 0:
                raise InputError(f"{path} declares tensors larger than itself; refused")
            storages[key] = np.zeros(count, dtype)
        return storages[key]

    magic, _, machine, loaded, keys = (_unpickle(file, path, storage) for _ in range(5))
    if magic != _LEGACY_MAGIC or not machine.get("little_endian"):
        raise InputError(_UNREADABLE.format(path=path, reason="not a file of torch.save"))
    for key in keys:
        values = storages[str(key)]
        if int.from_bytes(file.read(8), "little") != len(values):
            raise InputError(_UNREADABLE.format(path=path, reason="a storage of another length than declared"))
        values[:] = np.frombuffer(file.read(values.nbytes), values.dtype)
    return loaded


class _Rebuild:
    """What a pickle may call; with no `__dict__` and a deaf `__setstate__`, so that it can change nothing of it."""

    __slots__ = ()

    def __setstate__(self, state):
        pass


class _Tensor(_Rebuild):
    """A view of the storage, within its bounds whatever the file says."""

    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, *_):
        if isinstance(storage, _PassedOver):
            return storage
        shape, strides, values = tuple(shape), tuple(strides), storage.values
        count, last = math.prod(shape), offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
        if min((offset, *shape, *strides)) < 0 or count > values.size or (count and last >= values.size):
            raise InputError(f"a tensor of shape {shape} lies outside its storage of {values.size} values; refused")
        steps = tuple(stride * values.itemsize for stride in strides)
        return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)


class _Size(_Rebuild):
    __slots__ = ()

    def __call__(self, numbers):
        if len(numbers) > 64:
            raise InputError(f"a shape of {len(numbers)} numbers; refused")
        return tuple(numbers)


class _Parameter(_Rebuild):
    __slots__ = ()

    def __call__(self, tensor, *_):
        return tensor


_ALLOWED = {
    ("collections", "OrderedDict"): _Dict,
    ("torch", "Size"): _Size(),
    ("torch._utils", "_rebuild_tensor"): _Tensor(),
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor(),
    ("torch._utils", "_rebuild_parameter"): _Parameter(),
    **{("torch", f"{name}Storage"): name for name in _DTYPES},
}
