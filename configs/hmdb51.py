"""python main.py --config configs/hmdb51.py --config.data.source=FOLDER

R3D-18 on HMDB-51 from scratch: FOLDER holds <class>/*.avi and testTrainMulti_7030_splits/. Published for a 3-D
ResNet-18 from scratch: 17.1 % on fold 1 (arXiv:1711.09577); this configuration has not yet been run to its end. One
epoch is 0.4 PFLOP. With --config.finetune.source=FILE it starts from trained weights instead.
"""

from r3d_jax.config import ClipSpec, Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="hmdb51", fold=1),
        clip=ClipSpec(frames=8, stride=1, train_sizes=(128, 160), crop=112, flip=0.5, test_size=128, views=10),
        model=ModelConfig(pool=(1, 7, 7)),
        optim=OptimConfig(learning_rates=(0.02, 0.002, 0.0002), milestones=(60, 85), nesterov=True, weight_decay=5e-4),
        train=TrainConfig(epochs=100, batch_size=32),
        eval=EvalConfig(every=10, batch_size=2),
    )
