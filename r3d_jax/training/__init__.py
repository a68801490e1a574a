"""Training and testing: pure steps, the optimiser, the meters, and the loop that a configuration runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["describe", "evaluate"],
        "losses": ["balanced_weights", "clip_weights", "cross_entropy"],
        "metrics": ["count", "hits", "summarise"],
        "metrics_log": ["MetricsLog", "draw_curves"],
        "optim": ["adamw", "factors_of_blocks", "multistep", "sgd"],
        "state": ["TrainState", "first_state", "init_state"],
        "steps": ["eval_step", "train_step"],
    },
)
