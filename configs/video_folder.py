"""python main.py --config configs/video_folder.py --config.data.source=PATH

R3D-18 on videos of your own. PATH: a folder with a folder for each class, or with `train` and `test` (or `val`) and
such folders in them, or a .csv or .tsv of path, label and, if it likes, split. Without a split, about a fifth of each
class is held out (data.test_share); names that look like cuts of one recording stay together, or as data.group says.
Where there are few videos, fine-tune a trained network: configs/finetune.py. A training clip costs 0.12 TFLOP.
"""

from r3d_jax.config import ClipSpec, Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="video_folder"),
        clip=ClipSpec(frames=8, stride=2, train_sizes=(128, 160), crop=112, flip=0.5, test_size=128, views=10),
        model=ModelConfig(pool=(0, 0, 0), dropout=0.5),
        optim=OptimConfig(
            schedule="cosine",
            learning_rates=(0.02, 0.0001),
            warmup_epochs=2.0,
            warmup_start=0.002,
            nesterov=True,
            weight_decay=1e-4,
        ),
        train=TrainConfig(epochs=40, batch_size=8),
        eval=EvalConfig(every=5),
    )
