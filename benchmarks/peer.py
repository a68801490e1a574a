"""The same networks in PyTorch, for `benchmarks.network`: R3D with basic blocks or bottlenecks, torchvision's names."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from benchmarks.peak import peak_memory


def conv(channels, features, kernel, stride):
    padding = tuple(k // 2 for k in kernel)
    return [nn.Conv3d(channels, features, kernel, stride, padding, bias=False), nn.BatchNorm3d(features)]


class Block(nn.Module):
    def __init__(self, channels, inner, features, stride, bottleneck):
        super().__init__()
        wide, one, cube = (1, 1, 1), (1, 1, 1), (3, 3, 3)
        if bottleneck:
            convs = [(channels, inner, wide, one), (inner, inner, cube, stride), (inner, features, wide, one)]
        else:
            convs = [(channels, inner, cube, stride), (inner, features, cube, one)]
        self.count = len(convs)
        for i, spec in enumerate(convs, start=1):
            relu = [nn.ReLU(inplace=True)] if i < self.count else []
            setattr(self, f"conv{i}", nn.Sequential(*conv(*spec), *relu))
        projected = channels != features or stride != one
        self.downsample = nn.Sequential(*conv(channels, features, wide, stride)) if projected else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"conv{i}")(y)
        return self.relu(y + self.downsample(x))


class R3D(nn.Module):
    """`trunk` is an `r3d_jax` trunk, whose numbers of blocks and channels are taken."""

    def __init__(self, trunk, num_classes):
        super().__init__()
        bottleneck = trunk.residual == "postactivated_bottleneck"
        time, space = trunk.stem_kernel
        stem = conv(3, trunk.stem_planes, (time, space, space), (1, 2, 2))
        self.stem = nn.Sequential(*stem, nn.ReLU(inplace=True))
        channels = trunk.stem_planes
        for stage, count in enumerate(trunk.blocks):
            features = trunk.planes * 2**stage
            inner = trunk.width_per_group * 2**stage if bottleneck else features
            blocks = []
            for block in range(count):
                time, space = (1, 1) if block else (trunk.temporal_strides[stage], trunk.spatial_strides[stage])
                blocks.append(Block(channels, inner, features, (time, space, space), bottleneck))
                channels = features
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.stages = len(trunk.blocks)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x, pool=None):
        """Logits, averaged over the cells of a grid pooled by `pool`; by default all of it."""
        x = self.stem(x)
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        if pool:
            cells = nn.functional.avg_pool3d(x, pool, 1).flatten(2).transpose(1, 2)
            return self.fc(cells).mean(1)
        return self.fc(x.mean((2, 3, 4)))


class Predictor(nn.Module):
    """Logits of uint8 clips [clip, time, height, width, channel]; `pool` as in `R3D`."""

    def __init__(self, network, mean, std, pool):
        super().__init__()
        self.network, self.mean, self.std, self.pool = network, mean, std, pool

    def forward(self, clips):
        return self.network((clips.permute(0, 4, 1, 2, 3).float() / 255 - self.mean) / self.std, self.pool)


class Peer:
    """The network with its optimizer, on uint8 clips [clip, time, height, width, channel], channels last."""

    def __init__(self, model, device, dtype, compiled, tensors=None):
        self.device, self.dtype, self.compiled = torch.device(device), getattr(torch, dtype), compiled
        self.network = R3D(model.trunk, model.heads[0].num_classes)
        if tensors:
            state = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
            missing = self.network.load_state_dict(state, strict=False).missing_keys
            assert all(name.endswith("num_batches_tracked") for name in missing), missing
        self.network.to(self.device, memory_format=torch.channels_last_3d)
        self.optimizer = torch.optim.SGD(self.network.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
        self.mean, self.std = (
            torch.tensor(values, device=self.device).reshape(1, 3, 1, 1, 1) for values in (model.mean, model.std)
        )
        self._runs = {}

    def place(self, clips):
        return torch.from_numpy(clips).to(self.device)

    def predictor(self, pool=None):
        """The network with its normalisation, as in testing."""
        self.network.eval()
        return Predictor(self.network, self.mean, self.std, pool).eval()

    def _autocast(self):
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _frozen(self):
        if not self.compiled:
            return nullcontext()
        from torch._inductor import config  # not beside what is measured without it

        return config.patch(freezing=True)

    def _run_of(self, pool, train):
        if (pool, train) not in self._runs:
            run = Predictor(self.network, self.mean, self.std, pool)
            self._runs[pool, train] = torch.compile(run) if self.compiled else run
        return self._runs[pool, train]

    def train(self, clips, labels):
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            logits = self._run_of(None, True)(clips)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def forward(self, clips, pool=None):
        """Logits; compiled, the weights are frozen into the program at the first call, which takes a minute."""
        self.network.eval()
        with self._frozen(), torch.no_grad(), self._autocast():
            return self._run_of(pool, False)(clips).float()

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def train_alone(facts, *, threads):
    """Three steps on random clips, in a process that has nothing else; prints its peak memory in MiB.

    Args:
      facts: JSON of the options of an `r3d_jax` trunk, of the number of classes, mean, std and the clips' shape.
    """
    facts = json.loads(facts)
    torch.set_num_threads(threads)
    head = SimpleNamespace(num_classes=facts["classes"])
    model = SimpleNamespace(trunk=SimpleNamespace(**facts["trunk"]), heads=[head], mean=facts["mean"], std=facts["std"])
    peer = Peer(model, "cpu", "float32", compiled=False)
    clips = np.random.default_rng(0).integers(0, 256, facts["shape"], np.uint8)
    data, labels = peer.place(clips), peer.place(np.arange(len(clips)) % facts["classes"])
    for _ in range(3):
        peer.train(data, labels)
    print(peak_memory())
