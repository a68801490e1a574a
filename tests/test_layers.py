"""Who may import whom."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {  # the part of r3d_jax that a folder's files may import besides their own folder
    "models": {"errors"},
    "data": {"errors"},
    "weights": {"config", "errors", "models"},
    "inference": {"data", "errors", "models", "weights"},
    "training": {"config", "data", "errors", "models", "weights"},
    "report": {"config", "data", "errors", "inference", "models", "training", "weights"},
    "config": {"errors"},
    "errors": set(),
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("r3d_jax"):
            inside = node.module.removeprefix("r3d_jax").lstrip(".")
            yield from [inside] if inside else [alias.name for alias in node.names]


@pytest.mark.parametrize("floor", ALLOWED)
def test_a_floor_imports_only_what_lies_below(floor):
    path = ROOT / "r3d_jax" / floor
    files = sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    assert files
    for file in files:
        for name in imports(file):
            assert any(f"{name}.".startswith(f"{allowed}.") for allowed in ALLOWED[floor] | {floor}), (file.name, name)


def test_configurations_import_the_config_module_alone():
    for file in (ROOT / "configs").glob("*.py"):
        assert set(imports(file)) == {"config"}, file.name


def test_each_outside_library_is_touched_by_few_files():
    owners = {
        "av": {f"data/{name}.py" for name in ("decode", "probe", "pixels", "stream", "write", "reencode", "demo")},
        "grain": {"data/pipeline.py", "training/task.py", "report/collect.py"},
        "orbax": {"weights/checkpoint.py"},
        "safetensors": {"weights/saved.py"},
        "aiohttp": {"inference/serve.py"},
    }
    for library, files in owners.items():
        found = set()
        for file in (ROOT / "r3d_jax").rglob("*.py"):
            if re.search(rf"^\s*(import|from) {library}\b", file.read_text(), re.MULTILINE):
                found.add(str(file.relative_to(ROOT / "r3d_jax")))
        assert found == files, library


def test_importing_the_package_loads_none_of_the_heavy_libraries():
    heavy = ("tensorflow_datasets", "grain", "av", "cv2", "torch", "orbax")
    code = f"import sys, r3d_jax; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
