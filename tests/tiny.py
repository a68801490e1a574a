"""python main.py --config tests/tiny.py: the demo's videos, a network of four channels, seconds."""

from r3d_jax.config import Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig
from r3d_jax.video.clips import ClipSpec


def get_config() -> Config:
    return Config(
        data=DataConfig(name="demo", workers=2),
        clip=ClipSpec(frames=4, train_sizes=(16, 18), crop=16, flip=0.5, test_size=16, views=2),
        model=ModelConfig(blocks=(1, 1), planes=4, stem_planes=4, pool=(2, 4, 4), dropout=0.2),
        optim=OptimConfig(learning_rates=(0.02, 0.002), milestones=(2,), nesterov=True),
        train=TrainConfig(epochs=3, batch_size=4, videos_per_epoch=14, log_every=1, checkpoint_minutes=0),
        eval=EvalConfig(every=2, batch_size=3, videos=5, views_at_once=1),
    )
