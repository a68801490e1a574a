"""Archives to folders: RAR by a Python package or a program, ZIP by Python itself; no entry leaves its folder."""

import shutil
import subprocess
import zipfile
import zlib
from pathlib import Path

PACKAGE = "unrar2-cffi"  # imported as unrar.cffi
PROGRAMS = {  # that unpack RAR, in the order in which they are tried where the package is not there
    "unrar": ("x", "-inul", "{archive}", "{folder}/"),
    "unar": ("-quiet", "-output-directory", "{folder}", "{archive}"),
    "bsdtar": ("-xf", "{archive}", "-C", "{folder}"),
    "7z": ("x", "-bso0", "-o{folder}", "{archive}"),
}
REMEDIES = (
    f"pip install {PACKAGE} (for Linux on x86-64, macOS and Windows), or install a program that unpacks RAR: "
    f"{', '.join(PROGRAMS)} (Debian: apt install unar; macOS: brew install unar)"
)


def can_unpack_rar() -> bool:
    """Whether the package or one of the programs that unpack RAR is installed."""
    return bool(_package() or _program())


def unpack_rar(archive: Path, folder: Path) -> None:
    """Unpacks a RAR archive into `folder`, by the package where it can be imported, else by the first program found.

    Raises:
      ValueError: nothing to unpack it with, a damaged archive, or an entry whose path leads out of `folder`; the
        message is the reason. What came before the damage stays in `folder`.
      OSError: `folder` cannot be written to.
    """
    if library := _package():
        _unpack_by_package(library, archive, folder)
    elif program := _program():
        _unpack_by_program(program, archive, folder)
    else:
        raise ValueError(f"nothing to unpack RAR with: {REMEDIES}")


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpacks a ZIP archive into `folder`; `zipfile` takes `..` and the leading `/` out of its entries' paths.

    Raises:
      ValueError: a damaged archive; the message is the reason.
      OSError: the archive cannot be read, or `folder` not be written to.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def _package():
    """The package's module, or None where it is not installed or there is no wheel for this machine."""
    try:
        from unrar.cffi import unrarlib
    except ImportError:
        return None
    return unrarlib


def _program():
    return next((program for program in PROGRAMS if shutil.which(program)), None)


def _unpack_by_package(library, archive, folder):
    """One pass: asked for an entry by its name, the package would read the archive from its start each time."""
    try:
        with library.RarArchive.open_for_processing(archive) as file:
            for entry in file.iterate_headers():
                path = _inside(folder, entry.FileNameW)
                if entry.Flags & library.FLAGS_RHDF_DIRECTORY:
                    path.mkdir(parents=True, exist_ok=True)
                    entry.skip()
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    _write(entry, path)
    except library.BadRarFile as error:
        raise ValueError(f"{PACKAGE}: {error}") from error


def _write(entry, path):
    """What the entry holds, checked against its CRC. A link becomes a file that holds where it leads."""
    failures = []
    with path.open("wb") as file:

        def take(chunk):
            try:
                file.write(chunk)
            except OSError as error:  # an exception would be lost in the library's C
                failures.append(error)

        entry.test(take)
    if failures:
        raise failures[0]


def _inside(folder, name):
    """Where the entry `name` belongs, which must be below `folder`."""
    folder = folder.resolve()
    path = (folder / name.replace("\\", "/")).resolve()
    if path == folder or not path.is_relative_to(folder):
        raise ValueError(f"the entry {name!r} leads out of the folder that it is unpacked into")
    return path


def _unpack_by_program(program, archive, folder):
    """Each of PROGRAMS takes `..` and the leading `/` out of paths, or refuses such entries, unless told otherwise."""
    command = [program, *(word.format(archive=archive, folder=folder) for word in PROGRAMS[program])]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ValueError(f"{program}: {done.stderr.strip().partition(chr(10))[0] or f'exit status {done.returncode}'}")
