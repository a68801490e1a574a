"""python main.py --config configs/kinetics400.py --config.data.source=FOLDER --config.data.splits=FOLDER

R3D-18 on Kinetics-400 (or -600, -700: the annotations decide) after torchvision's recipe: clips of 16 frames at 15 a
second, 45 epochs, 10 of them to warm up. data.reencode=128 makes its long-GOP files many times as quick to read (and
says how many), data.processes spreads the reading over the cores. Published for it: 63.2 % video-level on the
validation set, 24 hours on 64 GPUs (torchvision); this configuration has not yet been run to its end. One epoch is 58
PFLOP.
"""

from r3d_jax.config import ClipSpec, Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="kinetics"),
        clip=ClipSpec(frames=16, frame_rate=15.0, train_sizes=(128, 128), crop=112, flip=0.5, test_size=128, views=5),
        model=ModelConfig(mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989), pool=(2, 7, 7)),
        # torchvision's 0.64 is for a batch of 1,536 on 64 GPUs; for 64 clips its rule gives a twenty-fourth.
        optim=OptimConfig(
            learning_rates=(0.027, 0.0027, 0.00027, 0.000027), milestones=(20, 30, 40), warmup_epochs=10.0
        ),
        train=TrainConfig(epochs=45, batch_size=64),
        eval=EvalConfig(every=5, batch_size=8),
    )
