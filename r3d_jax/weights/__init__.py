"""Files of networks: runs and their checkpoints, converted and exported files, other projects' names."""
