"""python main.py --config configs/finetune.py --config.data.source=FOLDER --config.finetune.source=NETWORK

Any trained network, fine-tuned on videos of your own. NETWORK: a run's folder, a converted or exported network, or the
name of a published one; FOLDER: as in configs/video_folder.py. Network, pixel statistics and clip (frames, stride or
frame rate, sizes, views, crops) are the network's own, and what was taken is printed; --config.clip.SETTING changes one
of them. Epochs, batch size and learning rate are chosen by the number of videos, and printed. The head is trained
first, then all of it; of few videos, --config.finetune.freeze_until=stage2 leaves the lower part alone. The run ends
early where the test no longer gains, with its best checkpoint. A training clip costs three forward passes.
"""

from r3d_jax.config import Config, DataConfig, EvalConfig, FinetuneConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="video_folder"),
        clip=None,  # the source's
        model=ModelConfig(pool=(0, 0, 0), dropout=0.5),
        # The trunk is good already: it takes a fifth of the head's learning rate, once the head has caught up.
        finetune=FinetuneConfig(head_first=0.2, trunk_factor=0.2, batch_norm="auto"),
        optim=OptimConfig(
            schedule="cosine",
            learning_rates=(),
            warmup_epochs=1.0,
            warmup_start=0.0005,
            nesterov=True,
            weight_decay=1e-4,
        ),
        train=TrainConfig(epochs=0, batch_size=0, patience=4),
        eval=EvalConfig(every=2),
    )
