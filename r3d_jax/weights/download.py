"""A published file from the network: resumed where it broke off, checked, and kept in one folder."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from tqdm import tqdm

from r3d_jax.errors import InputError
from r3d_jax.files import why_full, write_text

HOME, MIRROR = "R3D_JAX_HOME", "R3D_JAX_MIRROR"  # variables of the environment
TRIES = 3  # of a download that breaks off
_CHUNK = 2**16  # bytes; what has come of one is lost when the download breaks off


def cache_folder() -> Path:
    """The folder that keeps downloaded networks: `R3D_JAX_HOME`, or `r3d_jax` in the user's folder for caches."""
    if home := os.environ.get(HOME):
        return Path(home).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "r3d_jax"


def fetch(url: str, path: Path, sha256: str = "") -> str:
    """Downloads a file to `path`, unless it is there already, and checks that it is what it has to be.

    What broke off stays as `path` with `.part` behind its name, and is gone on with by the next call. Where the
    publisher tells no digest, it has to be the one that `pin` has noted, if there is one.

    Args:
      url: of the file; with `R3D_JAX_MIRROR` set to a folder's URL, the file of `path`'s name there is taken instead.
      path: of the file; folders above it are made.
      sha256: the first digits of its SHA-256, or empty.

    Returns:
      All digits of its SHA-256.

    Raises:
      InputError: no network, no such file there, one that broke off again and again, no space left, or a file with
        another digest, which is removed if it was downloaded. Each says what to do.
      OSError: the folder cannot be made or written to.
    """
    if mirror := os.environ.get(MIRROR):
        url = f"{mirror.rstrip('/')}/{path.name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    placed, part = path.exists(), _beside(path, ".part")
    if not placed:
        with told_of_full_disks(path):
            _download(url, part, path, bool(sha256))
    digest = _check_digest(url, path if placed else part, path, sha256, placed)
    if placed:
        part.unlink(missing_ok=True)  # of an earlier download, which is needed no more
        _beside(part, ".tag").unlink(missing_ok=True)
    else:
        part.rename(path)
    return digest


def pin(path: Path, digest: str) -> None:
    """Notes the digest of a file that has proven to be what it has to be, for what `fetch` brings to `path` later.

    Raises:
      OSError: the folder cannot be written to.
    """
    write_text(_beside(path, ".sha256"), f"{digest}\n")


@contextmanager
def told_of_full_disks(path: Path) -> Iterator[None]:
    """What is written to `path` in this block, or beside it, may find no space: the message then says what to do.

    Raises:
      InputError: no space is left.
    """
    try:
        yield
    except OSError as error:
        if not why_full(error):
            raise
        raise InputError(
            f"no space is left in {path.parent} for {path.name}; make some there, or name another folder as {HOME}"
        ) from error


def _check_digest(url, found, path, sha256, placed):
    with found.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    noted = _beside(path, ".sha256")
    expected = sha256 or (noted.read_text().strip() if noted.exists() else "")
    if not digest.startswith(expected):
        if not placed:
            found.unlink()
        what = f"{path}" if placed else f"what came from {url}"
        told = "its publisher tells" if sha256 else f"the first download had ({noted})"
        trust = f"if its publisher has replaced it and you trust that, remove {noted} and load it again"
        remedy = "download it again" if sha256 else trust
        raise InputError(
            f"{what} is another file than it has to be: its SHA-256 begins with {digest[:8]}, and {told} "
            f"{expected[:8]}; {'replace it, or ' if placed else 'it was removed; '}{remedy}"
        )
    return digest


def _download(url, part, path, known):
    for attempt in range(1, TRIES + 1):
        try:
            return _continue(url, part, path.name, known)
        except requests.HTTPError as error:
            reason = f"{error.response.status_code} {error.response.reason}"
            raise InputError(f"{url} cannot be downloaded ({reason}); {_otherwise(path)}") from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            if attempt == TRIES:
                raise InputError(
                    f"{url} broke off {TRIES} times; run this again, which goes on from there, or {_otherwise(path)}"
                ) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            if part.exists() and attempt < TRIES:
                continue
            raise InputError(
                f"{url} cannot be reached; run this again with a network, or {_otherwise(path)}"
            ) from error
        except requests.RequestException as error:  # no URL, too many redirections
            raise InputError(f"{url} cannot be downloaded ({error}); {_otherwise(path)}") from error


def _otherwise(path):
    return f"put the file at {path}, where it is then taken from, or set {MIRROR} to the URL of a folder that has it"


def _continue(url, part, name, known):
    """Goes on with `part` where the server can, else starts anew; ends only when all of it is there."""
    tag = _beside(part, ".tag")
    there = part.stat().st_size if part.exists() else 0
    version = tag.read_text() if tag.exists() else ""
    if not known and not version:  # nothing would tell whether two halves are of one file
        there = 0
    headers = {"Accept-Encoding": "identity"}
    if there:
        headers |= {"Range": f"bytes={there}-"} | ({"If-Range": version} if version else {})
    with requests.get(url, headers=headers, stream=True, timeout=30) as response:
        whole = response.headers.get("Content-Range", "").rpartition("/")[2]
        if response.status_code == 416 and whole == str(there):  # all of it came, and was not looked at
            tag.unlink(missing_ok=True)
            return
        if response.status_code == 416:
            part.unlink()
            raise requests.exceptions.ChunkedEncodingError("not a part of that file")
        response.raise_for_status()
        goes_on = response.status_code == 206
        tag.write_text(_version(response.headers))
        length = int(response.headers.get("Content-Length", 0))
        there = there if goes_on else 0
        shown = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, "disable": None, "leave": False}
        with (
            part.open("ab" if goes_on else "wb") as file,
            tqdm(desc=name, total=there + length or None, initial=there, **shown) as bar,
        ):
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    tag.unlink(missing_ok=True)


def _version(headers):
    """What tells the file's versions apart, as `If-Range` takes it; weak tags do not."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _beside(path, end):
    return path.with_name(path.name + end)
