"""Who may import whom, and how large anything may be."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "r3d_jax"
# Below all wings; they import only each other.
BASE = {"errors", "class_names", "csv_rows", "files", "settings", "parallel", "compiling", "pipelines"}
ALLOWED = {  # the parts of r3d_jax that a wing's files may import besides their own
    **dict.fromkeys(sorted(BASE), BASE),
    "config": BASE | {"video.clips"},
    "config_check": BASE | {"config", "video.clips"},
    "models": {"errors", "compiling", "files"},
    "video": BASE,
    "data": BASE | {"video"},
    "weights": BASE | {"config", "config_check", "models", "video"},
    "training": BASE | {"config", "config_check", "data", "models", "video", "weights"},
    "inference": BASE | {"models", "video", "weights"},
    "report": BASE | {"config", "config_check", "data", "inference", "models", "training", "video", "weights"},
    "server": BASE | {"inference", "models", "video", "weights"},
    "cli": BASE
    | {
        "__version__",
        "config",
        "config_check",
        "data",
        "inference",
        "models",
        "report",
        "server",
        "training",
        "video",
        "weights",
    },
}
OWNERS = {  # of outside libraries that few files touch
    "av": {f"video/{name}.py" for name in ("decode", "encode", "live", "pixels", "probe", "reencode", "stream")}
    | {"data/demo.py"},
    "grain": {"data/batches.py"},
    "orbax": {"weights/checkpoint.py"},
    "safetensors": {"weights/converted.py"},
    "huggingface_hub": {"weights/hub.py"},
    "onnx": {"weights/onnx_graph.py", "weights/onnx_rules.py"},
    "onnxruntime": {"weights/export_onnx.py"},
    "pyarrow": {"inference/features_formats.py", "inference/row_files.py"},
    "apache_beam": {"pipelines.py", "inference/shards_on_beam.py"},
    "aiohttp": {"server/server.py", "server/log.py"},
    "prometheus_client": {"server/metrics.py"},
    "argparse": {f"cli/{name}.py" for name in ("flags", "main", "train")},
    "ml_collections": {"cli/settings.py"},
    "llvmlite": {"models/onednn_call.py"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path, *, late=True):
    """Modules of r3d_jax that a file imports; with `late`, in its functions too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("r3d_jax"):
            inside = node.module.removeprefix("r3d_jax").lstrip(".")
            if (PACKAGE / inside.replace(".", "/")).is_dir():
                yield from (f"{inside}.{alias.name}".lstrip(".") for alias in node.names)
            else:
                yield inside


def named(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def test_every_file_belongs_to_a_wing():
    assert {named(path).partition(".")[0] for path in FILES} - {"__init__", "__main__"} == set(ALLOWED)


@pytest.mark.parametrize("wing", ALLOWED)
def test_a_wing_imports_only_what_it_may(wing):
    for path in FILES:
        if named(path).partition(".")[0] == wing:
            for name in imports(path):
                assert any(f"{name}.".startswith(f"{allowed}.") for allowed in ALLOWED[wing] | {wing}), (path, name)


def test_no_module_imports_itself_in_a_circle():
    edges = {named(path): set(imports(path, late=False)) for path in FILES if path.name != "__init__.py"}
    while free := {name for name, needed in edges.items() if not needed & edges.keys()}:
        edges = {name: needed for name, needed in edges.items() if name not in free}
    assert not edges


def test_configurations_import_the_config_module_alone():
    for file in (ROOT / "configs").glob("*.py"):
        assert set(imports(file)) == {"config"}, file.name


@pytest.mark.parametrize("library", OWNERS)
def test_each_outside_library_is_touched_by_few_files(library):
    pattern = re.compile(rf"^\s*(import|from) {library}\b", re.MULTILINE)
    assert {str(path.relative_to(PACKAGE)) for path in FILES if pattern.search(path.read_text())} == OWNERS[library]


def test_importing_the_package_is_quick_and_loads_no_library():
    heavy = ("tensorflow_datasets", "grain", "av", "cv2", "torch", "orbax", "jax", "flax", "apache_beam")
    code = "import time; start = time.perf_counter(); import sys, r3d_jax; seconds = time.perf_counter() - start; "
    code += f"print([name for name in {heavy} if name in sys.modules], seconds < 1)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"


def test_only_the_command_line_speaks_of_flags():
    for path in FILES:
        if named(path).startswith("cli."):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"(^|(?<!curl)[\s(`])--[a-z]", node.value), (path, node.value)


def test_no_file_and_no_function_is_long():
    for path in [*FILES, ROOT / "main.py"]:
        text = path.read_text()
        assert len(text.splitlines()) <= 250, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < 60, (path, node.name)


def test_files_are_written_beside_and_renamed_in_one_place():
    for path in FILES:
        assert path.name == "files.py" or "os.replace" not in path.read_text(), path


def public(path):
    """(name, docstring) of the module, its public classes and functions, and the public methods of the former."""
    tree = ast.parse(path.read_text())
    yield named(path), ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{named(path)}.{node.name}", ast.get_docstring(node)
            for each in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
                    yield f"{named(path)}.{node.name}.{each.name}", ast.get_docstring(each)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_public_docstrings_stand_alone(path):
    for name, text in public(path):
        if name.rpartition(".")[2] in ("setup",) or (path.name == "__init__.py" and not text):
            continue
        assert text and len(text) >= 25, (name, text)
        assert not re.match(r"(Likewise|The same|As above|Also|Both|Rounded|Ditto)\b", text), (name, text)
        assert "ikewise below" not in text, (name, text)


def test_every_module_has_a_test_file():
    for path in FILES:
        if path.name not in ("__init__.py", "__main__.py"):
            folder = ROOT / "tests" / path.relative_to(PACKAGE).parent
            assert (folder / f"test_{path.name}").exists(), named(path)
