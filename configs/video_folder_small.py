"""python main.py --config configs/video_folder_small.py --config.data.source=PATH

A thin R3D-10 on small clips of videos of your own, for a machine without a GPU; PATH as in configs/video_folder.py. For
70 videos it takes about 3 minutes on two CPU cores, for 150 about 6; it prints after its first steps how long. A training
clip costs 1.4 GFLOP. It learns from your videos alone: a network trained on many others does better (configs/finetune.py).
"""

from r3d_jax.config import (
    AugmentConfig,
    ClipSpec,
    Config,
    DataConfig,
    EvalConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
)


def get_config() -> Config:
    return Config(
        data=DataConfig(name="video_folder"),
        clip=ClipSpec(frames=8, stride=4, train_sizes=(64, 96), crop=64, flip=0.5, test_size=64, views=4),
        # Of few videos a network learns the places by heart: colours and pace are varied so that it looks at the action.
        augment=AugmentConfig(strides=(2, 6), jitter=(0.4, 0.4, 0.4, 0.1)),
        model=ModelConfig(blocks=(1, 1, 1, 1), planes=16, stem_planes=16, pool=(0, 0, 0), dropout=0.5),
        # Epochs, batch size and learning rate are chosen by the number of videos, and printed.
        optim=OptimConfig(
            schedule="cosine",
            learning_rates=(),
            warmup_epochs=2.0,
            warmup_start=0.0005,
            nesterov=True,
            weight_decay=5e-4,
        ),
        train=TrainConfig(epochs=0, batch_size=0),
        eval=EvalConfig(every=10),
    )
