"""Networks: the trunk, its heads and its presets, and pure functions of their variables. Arrays only."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cam": ["grad_cam"],
        "classifier": ["Classifier", "build", "init_variables"],
        "head": ["Head"],
        "predict": ["average_views", "features_fn", "normalise", "predict_fn", "predict_views"],
        "presets": ["PRESETS", "list_presets"],
        "resnet3d": ["ResNet3D"],
        "slowfast": ["SlowFast"],
        "x3d": ["X3D"],
    },
)
