"""python main.py --config configs/ucf101.py --config.data.source=FOLDER

R3D-18 on UCF-101 from scratch: FOLDER holds UCF-101/<class>/*.avi or UCF101.rar, and the split files or their zip;
without it both are downloaded (6.5 GB). Published for R3D-18 from scratch: 42.4 % on fold 1 (arXiv:1711.09577)
to 45.6 % (arXiv:1708.05038); this configuration has not yet been run to its end. One epoch is 1.2 PFLOP.
"""

from r3d_jax.config import ClipSpec, Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="ucf101", fold=1),
        clip=ClipSpec(frames=8, stride=1, train_sizes=(128, 160), crop=112, flip=0.5, test_size=128, views=10),
        model=ModelConfig(name="r3d_18", pool=(1, 7, 7)),
        optim=OptimConfig(learning_rates=(0.02, 0.002, 0.0002), milestones=(60, 85), nesterov=True, weight_decay=5e-4),
        train=TrainConfig(epochs=100, batch_size=32),
        eval=EvalConfig(every=10, batch_size=2),
    )
