"""Video classification in functional JAX: 3-D residual networks, their training and their use."""

from r3d_jax.inference.load import Loaded, load
from r3d_jax.models.classifier import Classifier, build, predict_fn

__all__ = ["Classifier", "Loaded", "build", "load", "predict_fn"]
