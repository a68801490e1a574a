"""What files of videos are called, in folders where other files may be."""

SUFFIXES = {".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"}
SUFFIXES |= {".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"}
