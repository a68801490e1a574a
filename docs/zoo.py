"""python docs/zoo.py: counts what published networks cost, into r3d_jax/weights/zoo.json, and writes docs/zoo.md."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ZOO = ROOT / "r3d_jax" / "weights" / "zoo.json"
HEAD = """# Published networks

Networks that other projects have trained and published, by their names:

```sh
r3d_jax models  # lists them
r3d_jax predict NAME VIDEO...
r3d_jax serve NAME  # and cam, export, convert
python main.py --config configs/finetune.py --config.data.source=PATH --config.finetune.source=NAME
```

From Python, `r3d_jax.load(NAME)` gives such a network, and `r3d_jax.list_models()` what the table tells of each. A file
or a folder called NAME goes before the network.

"""
TAIL = """
Top-1 is the video-level accuracy in per cent as the publisher tells it: it was not measured here. A clip is frames x
stride, at a frame rate where one is told, and the edge of the square that multiply-adds are counted for; views are
clips of a video x crops of each. Sizes are the parameters' four bytes each. Clips, pixels and class names are the
publisher's. Licences are those of the publishing projects: none is told for the weights apart, and the videos that they
were trained on may have terms of their own.
{more}
## Where the files are

The first use downloads the publisher's file, checks it against the digits of the SHA-256 in its name, where it has them
(else against the first one that came), converts it, and keeps the converted file alone. A download that broke off is
gone on with. Nothing in a file is run.

| variable | meaning |
| --- | --- |
| `R3D_JAX_HOME` | folder for them; else `$XDG_CACHE_HOME/r3d_jax`, or `~/.cache/r3d_jax` |
| `R3D_JAX_MIRROR` | URL of a folder with the publishers' files, which are then taken from there |

Without a network, put the publisher's file into that folder; the message of the failed download says where. There and
at a mirror, it has the name that `r3d_jax models --format json` tells as `file`.

## The Hugging Face Hub

With `pip install huggingface_hub`, `hf://OWNER/NAME` stands wherever NAME does, for networks that this
package has published. This publishes one, with a description of its clips, pixels, classes, licence and source:

```sh
r3d_jax convert runs/mine mine.safetensors --push hf://OWNER/NAME
```
"""


MORE = {  # of networks of one project
    "ig65m-pytorch": "Weights and accuracy of ig65m-pytorch's networks are VMZ's (Apache-2.0).",
    "PyTorchVideo": """Two things of PyTorchVideo's are put into our terms. It spreads the frames of a clip of "8x8"
over 64 frames, from the first to the last, so they are 9 apart and not 8; others are rounded in the same way. And its
network for Something-Something v2 expects blue first, so its first kernel is turned round, and takes RGB like all
others.""",
}


def page() -> str:
    """The page in Markdown."""
    from r3d_jax.weights.published import list_models

    lines = [
        "| name | classes | top-1 | clip | views | multiply-adds | size | source, licence |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    notes = ""
    for each in list_models():
        clip, (time, edge, _) = each.clip, each.view
        rate = f" at {clip.frame_rate:g}/s" if clip.frame_rate else ""
        cells = (
            f"`{each.name}`",
            each.classes or f"{each.num_classes}, numbered",
            "not told" if each.top1 is None else f"{each.top1:.2f}",
            f"{time}x{clip.stride}{rate}, {edge}",
            f"{clip.views}x{clip.crops}",
            f"{each.multiply_adds / 1e9:.2f} G",
            f"{each.parameters * 4 / 1e6:.0f} MB",
            f"{each.source}, {each.licence}",
        )
        lines.append(f"| {' | '.join(cells)} |")
        notes += f"\n`{each.name}`: {each.note}.\n" if each.note else ""
    more = "".join(f"\n{text}\n" for source, text in MORE.items() if source in {each.source for each in list_models()})
    return HEAD + "\n".join(lines) + "\n" + notes + TAIL.format(more=more)


def counted(text: str) -> str:
    """The text of zoo.json, with the costs of every network."""
    from r3d_jax.models.classifier import build
    from r3d_jax.models.cost import cost
    from r3d_jax.weights.published import list_models

    parts = re.split(r'("parameters": \w+, "multiply_adds": \w+)', text)
    for i, each in enumerate(list_models()):
        found = cost(build(each.preset, each.num_classes, pool=each.pool, **each.options), each.view)
        parts[2 * i + 1] = f'"parameters": {found.parameters}, "multiply_adds": {found.multiply_adds}'
    return "".join(parts)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    ZOO.write_text(counted(ZOO.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs" / "zoo.md").write_text(page(), encoding="utf-8")
