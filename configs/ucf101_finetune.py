"""python main.py --config configs/ucf101_finetune.py --config.finetune.source=FILE --config.data.source=FOLDER

R3D-18 trained on Kinetics-400, fine-tuned on UCF-101. FILE: `python -m r3d_jax convert r3d_18.pth FILE` from the
weights of torchvision's r3d_18; FOLDER: as in configs/ucf101.py. Published for such a network: about 84 % on fold 1
(3D-ResNets-PyTorch); this configuration has not yet been run to its end. One epoch is 2.3 PFLOP.
"""

from r3d_jax.config import ClipSpec, Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="ucf101", fold=1),
        # The clips that the weights were trained on: 16 frames, every second one.
        clip=ClipSpec(frames=16, stride=2, train_sizes=(128, 160), crop=112, flip=0.5, test_size=128, views=10),
        # Network, mean and standard deviation are the source's. Without its head's class names, the head starts anew.
        model=ModelConfig(pool=(0, 0, 0), dropout=0.5),
        # finetune.freeze_trunk=True trains the head alone, finetune.trunk_factor=0.1 the trunk slowly.
        optim=OptimConfig(
            schedule="cosine",
            learning_rates=(0.01, 0.0001),
            warmup_epochs=2.0,
            warmup_start=0.001,
            nesterov=True,
            weight_decay=1e-4,
        ),
        train=TrainConfig(epochs=30, batch_size=32),
        eval=EvalConfig(every=5, batch_size=2),
    )
