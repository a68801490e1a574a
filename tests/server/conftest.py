from untrained import folder, network

__all__ = ["folder", "network"]
