"""Which files of a folder are videos: those that are called so."""

from pathlib import Path

SUFFIXES = {".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"}
SUFFIXES |= {".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"}
CALLED = f"they are called *{', *'.join(sorted(SUFFIXES))}"


def videos_in(folder: Path) -> list[Path]:
    """Lists the files in `folder` and below that are called like a video, sorted by path; none is opened."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
