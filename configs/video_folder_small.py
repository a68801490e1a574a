"""python main.py --config configs/video_folder_small.py --config.data.source=PATH

A thin R3D-10 on small clips of videos of your own, for a machine without a GPU; PATH as in configs/video_folder.py.
Two CPU cores take about 2 minutes for 70 videos and 4 for 150; after its first steps it says how long. It learns from
your videos alone: a network that was trained on many others (configs/finetune.py) needs fewer of them.
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
        # Of few videos, a network learns the places by heart; other colours and paces make it look at the action.
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
