"""Reads what `torch.save` wrote, without PyTorch and without running anything that the file asks to run.

Such a file is a pickle, and a pickle may call any function. Here it may name only what makes up tensors; all else is
refused before it is called.
"""

import math
import os
import pickle
import pickletools
import zipfile
from collections import OrderedDict
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


class _Storage(NamedTuple):
    """The flat array that tensors are views of."""

    values: np.ndarray


def read_pth(path: Path) -> Any:
    """The object in a file of `torch.save`, in either of its formats, with NumPy arrays for tensors.

    For example, `read_pth(Path("weights.pth"))["fc.weight"]`. bfloat16 comes as `jax.numpy.bfloat16`.

    Raises:
      InputError: the file asks for anything but tensors and plain containers, is damaged, or is in another format.
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
        super().__init__(file, encoding="utf-8")
        self._path, self._storage = path, storage

    def find_class(self, module, name):
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise InputError(
            f"{self._path} asks to run {module}.{name}, which weights do not need; refused, and nothing of it was run. "
            "If you trust the file, load it with PyTorch (pip install torch), save its state dict with "
            "safetensors.torch.save_file, and convert that file"
        )

    def persistent_load(self, pid):
        kind, dtype, key, _, count, *_ = pid
        if kind != "storage" or dtype not in _DTYPES:
            raise InputError(f"{self._path} holds {kind!r} of {dtype!r} where tensors should be; refused")
        return self._storage(str(key), np.dtype(_DTYPES[dtype]), count)


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
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise InputError(_UNREADABLE.format(path=path, reason="written on a big-endian machine"))
        storages = {}

        def storage(key, dtype, count):
            if key not in storages:
                entry = archive.getinfo(f"{root}data/{key}")
                if entry.file_size > size:  # torch.save does not compress: nothing in it is larger than the file
                    raise InputError(f"{path} unpacks to more than its own size; refused")
                storages[key] = _Storage(np.frombuffer(archive.read(entry), dtype))
            return storages[key]

        with archive.open(pickles[0]) as content:
            return _unpickle(content, path, storage)


def _read_legacy(path, file):
    """Pickles in a row (magic number, version, machine, the object, storage keys), then the storages' bytes."""
    size = os.path.getsize(path)
    storages = {}

    def storage(key, dtype, count):
        if key not in storages:
            if count * dtype.itemsize > size:
                raise InputError(f"{path} declares a tensor larger than itself; refused")
            storages[key] = _Storage(np.zeros(count, dtype))
        return storages[key]

    magic, _, machine, loaded, keys = (_unpickle(file, path, storage) for _ in range(5))
    if magic != _LEGACY_MAGIC or not machine.get("little_endian"):
        raise InputError(_UNREADABLE.format(path=path, reason="not a file of torch.save"))
    for key in keys:
        values = storages[str(key)].values
        if int.from_bytes(file.read(8), "little") != len(values):
            raise InputError(_UNREADABLE.format(path=path, reason="a storage of another length than declared"))
        values[:] = np.frombuffer(file.read(values.nbytes), values.dtype)
    return loaded


class _Rebuild:
    """What a pickle may call; without a `__dict__`, so that it can change nothing of it."""

    __slots__ = ()


class _Tensor(_Rebuild):
    """A view of the storage, within its bounds whatever the file says."""

    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, *_):
        shape, strides, values = tuple(shape), tuple(strides), storage.values
        count, last = math.prod(shape), offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
        if min((offset, *shape, *strides)) < 0 or count > values.size or (count and last >= values.size):
            raise InputError(f"a tensor of shape {shape} lies outside its storage of {values.size} values; refused")
        steps = tuple(stride * values.itemsize for stride in strides)
        return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)


class _Parameter(_Rebuild):
    __slots__ = ()

    def __call__(self, tensor, *_):
        return tensor


_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _Tensor(),
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor(),
    ("torch._utils", "_rebuild_parameter"): _Parameter(),
    **{("torch", f"{name}Storage"): name for name in _DTYPES},
}
