import pickle
import pydoc
import re

import flax.linen as nn
import pytest

from r3d_jax.models.classifier import Classifier
from r3d_jax.models.head import Head
from r3d_jax.models.norm import BatchNorm
from r3d_jax.models.resnet3d import ResNet3D


@pytest.mark.parametrize("module", [ResNet3D, Head, Classifier, BatchNorm])
def test_help_is_our_own_text_and_not_pages_of_flaxs(module):
    text = pydoc.render_doc(module, renderer=pydoc.plaintext)
    assert "Attributes:" in text and re.search(r"__call__\(\s*[| ]*self", text)
    assert len(text.splitlines()) < 140
    assert len(pydoc.render_doc(nn.Module, renderer=pydoc.plaintext).splitlines()) > 500  # what would follow


def test_a_module_is_none_the_less_flaxs():
    head = Head(3, dropout=0.5)
    assert {"init", "apply", "clone", "num_classes"} <= set(dir(head))
    assert pickle.loads(pickle.dumps(head)) == head
    assert head.clone(num_classes=4) == Head(4, dropout=0.5) and hash(head) == hash(Head(3, dropout=0.5))

    class Renamed(Head):
        """A head of another name."""

    assert Renamed(3).num_classes == 3 and "__call__" in dir(Renamed) and "init" not in dir(Renamed)
