from r3d_jax.config import ClipSpec, Config, DataConfig, EvalConfig, ModelConfig, OptimConfig, TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(name="video_folder"),
        clip=ClipSpec(frames=8, stride=4, train_sizes=(64, 80), crop=64, flip=0.5, test_size=64, views=4),
        model=ModelConfig(planes=16, stem_planes=16, pool=(0, 0, 0), dropout=0.2),
        optim=OptimConfig(
            schedule="cosine",
            learning_rates=(0.02, 0.0002),
            warmup_epochs=2.0,
            warmup_start=0.002,
            nesterov=True,
            weight_decay=5e-4,
        ),
        train=TrainConfig(epochs=30, batch_size=8),
        eval=EvalConfig(every=5),
    )
