"""Small RAR archives made on the spot (RAR 4, whose entries may be stored as they are), and what unpacks them."""

import stat
import struct
import sys
import zlib

from r3d_jax.data import unpack

MARKER = b"Rar!\x1a\x07\x00"
ARCHIVE, FILE, END = 0x73, 0x74, 0x7B  # kinds of blocks
LONG, STORED = 0x8000, 0x30  # a block with data after it; the method that does nothing


def block(kind, flags, fields):
    """A block's head: the low half of its CRC-32, its kind, flags and size, then `fields`."""
    body = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
    return struct.pack("<H", zlib.crc32(body) & 0xFFFF) + body


def rar(files, *, damaged=False):
    """An archive's bytes; `files`: {name: data}, folders separated by `/`; `damaged`: the last entry's CRC is wrong."""
    parts = [MARKER, block(ARCHIVE, 0, bytes(6))]
    for i, (name, data) in enumerate(files.items(), start=1):
        stored = name.replace("/", "\\").encode()
        crc = zlib.crc32(data) ^ (damaged and i == len(files))
        # packed and full size, system (Unix), CRC, time, version that unpacks it, method, length of the name, mode
        fields = struct.pack("<IIBIIBBHI", len(data), len(data), 3, crc, 0, 20, STORED, len(stored), 0o100644)
        parts += [block(FILE, LONG, fields + stored), data]
    return b"".join([*parts, block(END, 0x4000, b"")])


def without_package(monkeypatch):
    """Nothing of the package can be imported."""
    monkeypatch.setitem(sys.modules, "unrar.cffi", None)


def only_program(tmp_path, monkeypatch, command):
    """All that unpacks RAR is a program that runs `command`."""
    program = tmp_path / "bin" / "unrar"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{command}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    without_package(monkeypatch)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(unpack, "PROGRAMS", {"unrar": unpack.PROGRAMS["unrar"]})
