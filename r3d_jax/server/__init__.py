"""A page and a JSON endpoint on this machine, which answer with what a trained network says of a video."""
