import pytest

from r3d_jax.config import Config, DataConfig
from r3d_jax.training.from_config import load_videos


@pytest.mark.parametrize(
    "name, message",
    [
        ("hmdb51", "HMDB-51 is not downloaded"),
        ("kinetics", "Kinetics is not downloaded"),
        ("video_folder", "video_folder needs videos"),
    ],
)
def test_each_data_set_says_itself_that_it_needs_a_source(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_videos(Config(data=DataConfig(name=name, data_dir=str(tmp_path))))
