"""python main.py --config configs/probe.py --config.data.source=FOLDER --config.finetune.source=NETWORK

A new head on any trained network, for videos of your own, in minutes: the trunk gives the features of each training
video once, and a linear head is fitted to them. NETWORK: a run's folder, or a converted, exported or published network;
FOLDER: as in configs/video_folder.py. The clip is the network's own; two random clips of each training video are seen
(train.epochs). A clip costs one forward pass. Fewer test clips: --config.clip.views=3 --config.clip.crops=1.
"""

from r3d_jax.config import Config, DataConfig, EvalConfig, FinetuneConfig, ModelConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="video_folder"),
        clip=None,  # the source's
        model=ModelConfig(pool=(0, 0, 0)),
        finetune=FinetuneConfig(probe=True),
        train=TrainConfig(epochs=2, batch_size=8),
        eval=EvalConfig(every=2),
    )
