"""What has been made of videos, kept by their content until the data set is finished: a killed preparation goes on."""

import json
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from r3d_jax.files import whole
from r3d_jax.video.decode import PacketIndex
from r3d_jax.video.probe import VideoInfo
from r3d_jax.video.reencode import Effect

KEPT = "kept"  # folder beside the one that a data set is prepared in
MADE_BY = f"1, av {version('av')}"  # the number rises when preparing makes something else of a video
ARRAYS = ("packets", "seconds")  # of a packet index; what else it has is JSON, but for bytes

Prepared = tuple[bytes, VideoInfo, PacketIndex, Effect | None]


def keep(folder: Path, digest: str, prepared: Prepared, *, own_bytes: bool) -> None:
    """Writes what has been made of a video, whole or not at all.

    Args:
      folder: of all that is kept of one preparation: videos of other settings are not kept in it.
      digest: of the video's file, as `sources.digest_of` gives it.
      prepared: what has been made of it.
      own_bytes: whether the bytes are others than the file's; if not, they are not written.

    Raises:
      OSError: the folder cannot be written to.
    """
    data, info, packet_index, effect = prepared
    plain = {name: value for name, value in packet_index._asdict().items() if name not in (*ARRAYS, "extradata")}
    facts = json.dumps([MADE_BY, own_bytes, info, plain, effect])
    arrays = {name: getattr(packet_index, name) for name in ARRAYS}
    texts = {"extradata": packet_index.extradata, "video": data if own_bytes else b""}
    arrays |= {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    with whole(_path(folder, digest)) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, facts=np.array(facts), **arrays)


def is_kept(folder: Path, digest: str) -> bool:
    """Whether something is kept of the file with this digest."""
    return _path(folder, digest).exists()


def read_kept(folder: Path, digest: str, data: bytes) -> Prepared | None:
    """Reads what `keep` has written of a video; None where that is nothing, damaged, or made by another version.

    Args:
      data: the file's bytes.
    """
    try:
        with _path(folder, digest).open("rb") as file, np.load(file, allow_pickle=False) as found:  # it checks CRCs
            made_by, own_bytes, info, plain, effect = json.loads(str(found["facts"]))
            if made_by != MADE_BY:
                return None
            arrays = {name: found[name] for name in ARRAYS}
            packet_index = PacketIndex(**arrays, **plain, extradata=found["extradata"].tobytes())
            video = found["video"].tobytes() if own_bytes else data
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return video, VideoInfo(*info), packet_index, Effect(*effect) if effect else None


def count_kept(folder: Path) -> int:
    """Of how many videos something is kept in `folder`."""
    return sum(1 for _ in folder.glob("??/*.npz"))


def _path(folder, digest):
    return folder / digest[:2] / f"{digest}.npz"
