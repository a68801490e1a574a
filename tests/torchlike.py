"""Files as `torch.save` writes them, without PyTorch; and pickles that name modules which are not installed."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from contextlib import contextmanager

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {
    "float32": "FloatStorage",
    "int64": "LongStorage",
    "float64": "DoubleStorage",
    "complex64": "ComplexFloatStorage",
}


@contextmanager
def modules(found):
    """Modules that are there for as long as something is pickled: {name: [class or function]}."""
    before = set(sys.modules)
    for name, members in found.items():
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
        for each in members:
            each.__module__, each.__qualname__ = name, each.__name__
            setattr(sys.modules[name], each.__name__, each)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if name.split(".")[0] in {each.split(".")[0] for each in found}:
                del sys.modules[name]


def _rebuild_tensor_v2(*_):
    raise NotImplementedError


class _Pickler(pickle.Pickler):
    def __init__(self, file, storages):
        super().__init__(file, protocol=2)
        self._storages = storages

    def reducer_override(self, value):
        if not isinstance(value, np.ndarray):
            return NotImplemented
        value = np.ascontiguousarray(value)
        key = str(len(self._storages))
        self._storages[key] = value
        strides = tuple(stride // value.itemsize for stride in value.strides)
        return _rebuild_tensor_v2, (_Stored(key, value), 0, value.shape, strides, False, OrderedDict())

    def persistent_id(self, value):
        if isinstance(value, _Stored):
            kind = getattr(sys.modules["torch"], STORAGES[str(value.array.dtype)])
            return "storage", kind, value.key, "cuda:0", value.array.size
        return None


class _Stored:
    def __init__(self, key, array):
        self.key, self.array = key, array


def write_pth(path, content, *, legacy=False):
    """Writes `content`, whose NumPy arrays are to be tensors, in one of PyTorch's two formats."""
    storages, file = {}, io.BytesIO()
    kinds = [type(name, (), {}) for name in STORAGES.values()]
    with modules({"torch": kinds, "torch._utils": [_rebuild_tensor_v2]}):
        _Pickler(file, storages).dump(content)
    if not legacy:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", file.getvalue())
            archive.writestr("archive/version", "3\n")
            for key, value in storages.items():
                archive.writestr(f"archive/data/{key}", value.tobytes())
        return path
    head = [MAGIC, 1001, {"little_endian": True, "protocol_version": 1001, "type_sizes": {}}]
    parts = [
        *(pickle.dumps(each, protocol=2) for each in head),
        file.getvalue(),
        pickle.dumps(list(storages), protocol=2),
    ]
    parts += [struct.pack("<q", value.size) + value.tobytes() for value in storages.values()]
    path.write_bytes(b"".join(parts))
    return path
