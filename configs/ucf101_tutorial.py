"""python main.py --config configs/ucf101_tutorial.py --config.data.source=FOLDER

The numbers of ClassyVision's video tutorial as it meant them: 8 frames, batch 8, 64 training clips an epoch, 2 epochs,
learning rate 0.005, then 0.0005 (its code trains at a constant 0.1: it never attaches its schedule), 80 test clips.
A smoke test of the whole path, minutes on a CPU; its accuracy is that of chance or little more.
"""

from r3d_jax.config import ClipSpec, Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="ucf101", fold=1),
        clip=ClipSpec(frames=8, stride=1, train_sizes=(128, 160), crop=112, flip=0.5, test_size=128, views=10),
        model=ModelConfig(name="r3d_18", pool=(1, 7, 7)),
        optim=OptimConfig(learning_rates=(0.005, 0.0005), milestones=(1,), momentum=0.9, weight_decay=1e-4),
        train=TrainConfig(epochs=2, batch_size=8, videos_per_epoch=64, log_every=4),
        # The tutorial tests the first 8 videos, all of one class; these 8 are drawn from as many classes as there are.
        eval=EvalConfig(every=1, batch_size=1, videos=8),
    )
