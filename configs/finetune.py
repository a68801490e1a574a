"""python main.py --config configs/finetune.py --config.data.source=FOLDER --config.finetune.source=NETWORK

Any trained network, fine-tuned on videos of your own. NETWORK: a run's folder, or a converted or exported network;
FOLDER: as in configs/video_folder.py. Network, pixel statistics and clip (frames, stride or frame rate, sizes, views,
crops) are the network's own, and what was taken is printed; --config.clip.SETTING changes one of them. Of few videos,
train the upper part alone: --config.finetune.freeze_until=stage2. A training clip costs three forward passes.
"""

from r3d_jax.config import Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="video_folder"),
        clip=None,  # the source's
        model=ModelConfig(pool=(0, 0, 0), dropout=0.5),
        # For 8 clips. The head begins anew and takes this rate; optim.layer_decay=0.7 gives the trunk less.
        optim=OptimConfig(
            schedule="cosine",
            learning_rates=(0.005, 0.00005),
            warmup_epochs=1.0,
            warmup_start=0.0005,
            nesterov=True,
            weight_decay=1e-4,
        ),
        train=TrainConfig(epochs=15, batch_size=8),
        eval=EvalConfig(every=5),
    )
