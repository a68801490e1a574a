"""Prediction with a trained network, as functions: of files, of long videos, and what speaks for a class in them."""
