"""Video classification in functional JAX: 3-D residual networks, their training and their use."""

from r3d_jax.models.cam import grad_cam
from r3d_jax.models.classifier import Classifier, build, features_fn, predict_fn
from r3d_jax.weights.load import load
from r3d_jax.weights.saved import Loaded

__all__ = ["Classifier", "Loaded", "build", "features_fn", "grad_cam", "load", "predict_fn"]
