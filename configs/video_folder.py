"""python main.py --config configs/video_folder.py --config.data.source=PATH

R3D-18 on videos of your own, for a GPU; without one, configs/video_folder_small.py. PATH: a folder with a folder for
each class, or with `train` and `test` (or `val`) and such folders in them, or a .csv or .tsv of path, label and, if it
likes, split. Without a split, about a fifth of each class is held out (data.test_share); names that look like cuts of
one recording stay together, or as data.group says; data.multi_label where a table gives a video several labels. Where
there are few videos, fine-tune a trained network: configs/finetune.py. A training clip costs 0.12 TFLOP.
"""

from r3d_jax.config import ClipSpec, Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="video_folder"),
        clip=ClipSpec(frames=8, stride=2, train_sizes=(128, 160), crop=112, flip=0.5, test_size=128, views=10),
        model=ModelConfig(pool=(0, 0, 0), dropout=0.5),
        # Epochs, batch size and learning rate are chosen by the number of videos, and printed: 0.005 for 8 clips.
        optim=OptimConfig(
            schedule="cosine",
            learning_rates=(),
            warmup_epochs=2.0,
            warmup_start=0.0005,
            nesterov=True,
            weight_decay=1e-4,
        ),
        train=TrainConfig(epochs=0, batch_size=0),
        eval=EvalConfig(every=5),
    )
