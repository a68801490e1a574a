"""Video classification in functional JAX: 3-D residual networks, their training and their use.

The five steps, from videos to predictions, with the names of this package alone:

    videos = r3d_jax.data.UCF101(source=FOLDER).load()
    clip = r3d_jax.ClipSpec(frames=8, crop=112, test_size=128, views=10)
    train = r3d_jax.data.train_batches(videos, "train", clip, batch_size=8)
    model = r3d_jax.build("r3d_18", num_classes=len(videos.class_names))
    state = r3d_jax.init_state(model, tx := r3d_jax.sgd(0.005), clip=clip)
    state, metrics = jax.jit(partial(r3d_jax.train_step, model=model, tx=tx))(state, train[0])
    r3d_jax.evaluate(model, state.variables, r3d_jax.data.eval_batches(videos, "test", clip))
    r3d_jax.save("runs/mine", model, state, videos.class_names, clip)

Names are loaded when they are first asked for: importing this package takes a moment, not the seconds of its libraries.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["data", "inference", "models", "training", "video", "weights"],
    submod_attrs={
        "errors": ["InputError"],
        "inference.features": ["VideoFeatures", "video_features"],
        "inference.predict": ["Prediction", "predict"],
        "models.cam": ["grad_cam"],
        "models.classifier": ["Classifier", "build", "init_variables"],
        "models.predict": ["features_fn", "normalise", "predict_fn"],
        "models.presets": ["list_presets"],
        "training.evaluation": ["evaluate"],
        "training.optim": ["adamw", "multistep", "sgd"],
        "training.state": ["TrainState", "init_state"],
        "training.steps": ["eval_step", "train_step"],
        "video.clips": ["ClipSpec"],
        "video.views": ["read_clips"],
        "weights.load": ["load"],
        "weights.published": ["Published", "list_models"],
        "weights.run": ["restore", "save"],
        "weights.trained": ["TrainedNetwork"],
    },
)
