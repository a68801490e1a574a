"""Training and testing: pure steps, the optimiser, the meters, and the loop that a configuration runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["describe", "evaluate"],
        "losses": ["cross_entropy"],
        "metrics": ["count", "hits", "summarise"],
        "metrics_log": ["MetricsLog", "draw_curves"],
        "optim": ["adamw", "factors_of_blocks", "multistep", "sgd"],
        "steps": ["TrainState", "eval_step", "first_state", "init_state", "train_step"],
    },
)
