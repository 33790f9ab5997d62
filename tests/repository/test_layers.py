"""Who may import whom: the picture in docs/architecture.md, held by reading the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "byoi_lib"

# Highest first. A module imports only from rows below its own; a name ending in "." is a package,
# whose modules may import one another.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("cli_deployment", "cli_emulator", "demo"),
    ("emulator.", "hosting."),
    ("deployment.",),
    ("invocation", "push", "runner", "training_job"),
    ("ecr", "inference", "serving.", "training"),
    ("fitting", "onnx_file", "registry", "report", "traffic_report"),
    ("batches", "datasets", "decoder", "encoder", "evaluation", "runtime", "serializers"),
    (
        "content_types",
        "instances",
        "local_registry",
        "model",
        "model_data",
        "npy",
        "orphans",
        "rank_lists",
        "sample",
    ),
    ("embeddings",),
    ("keras_layers", "preprocessing"),
    ("engine", "manifest", "vocabulary"),
    (
        "canvas",
        "contract",
        "errors",
        "file_digest",
        "free_port",
        "golden",
        "quiet_tensorflow",
        "rest_api",
        "traffic",
    ),
)

# Inside the emulator, where `__init__` and `__main__` stand above all.
EMULATOR: tuple[tuple[str, ...], ...] = (
    ("process",),
    ("front",),
    ("api_gateway", "calls", "runtime"),
    ("aws",),
    ("endpoints",),
    ("runners",),
    ("answers",),
    ("refusals",),
)

# Which modules may import a package that is not in the standard library; "." as above.
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "flask": ("serving.",),
    "gunicorn": ("serving.",),
    "werkzeug": ("content_types", "emulator.", "serving."),
    "airspeed": ("emulator.",),
    "jsonschema": ("emulator.",),
    "moto": ("emulator.",),
    "numpy": (
        "batches",
        "datasets",
        "decoder",
        "encoder",
        "evaluation",
        "inference",
        "instances",
        "npy",
        "onnx_file",
        "preprocessing",
        "rank_lists",
        "runtime",
        "serializers",
        "training",
    ),
    "keras": ("quiet_tensorflow",),
    "tensorflow": ("quiet_tensorflow",),
    "onnxruntime": ("runtime",),
    "matplotlib": ("canvas",),
    "tqdm": ("fitting",),
    "sagemaker": ("demo", "hosting."),
    "boto3": ("deployment.", "ecr", "hosting."),
    "botocore": ("deployment.", "ecr", "hosting."),
}


def modules() -> list[str]:
    return sorted(
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
        if path != PACKAGE / "__init__.py" and "_container" not in path.parts
    )


def source(module: str) -> str:
    path = PACKAGE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8")


def belongs(module: str, name: str) -> bool:
    return module == name or (name.endswith(".") and (module + ".").startswith(name))


def layer(module: str) -> int:
    for depth, names in enumerate(LAYERS):
        if any(belongs(module, name) for name in names):
            return depth
    pytest.fail(f"byoi_lib.{module} stands in no layer of {Path(__file__).name}: add it to one")


def imported(module: str) -> set[str]:
    """Every absolute name `module` imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source(module))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"byoi_lib.{module} has a relative import"
            assert node.module
            if node.module.startswith("byoi_lib"):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                names.add(node.module)
    return names


def is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("module", modules())
def test_imports_go_down(module: str) -> None:
    mine = layer(module)
    for full_name in imported(module):
        if not full_name.startswith("byoi_lib."):
            continue
        other = full_name.removeprefix("byoi_lib.")
        if not is_module(other):
            other = other.rpartition(".")[0]
        siblings = any(
            name.endswith(".") and belongs(module, name) and belongs(other, name)
            for name in LAYERS[mine]
        )
        assert layer(other) > mine or siblings, f"{module} imports {other}"


def test_imports_inside_the_emulator_go_down() -> None:
    depths = {name: depth for depth, row in enumerate(EMULATOR) for name in row}
    for module in modules():
        names = module.split(".")
        if names[0] != "emulator" or names[1:] in ([], ["__main__"]):
            continue
        for other in imported(module):
            if other.startswith("byoi.emulator."):
                below = other.split(".")[2]
                is_down = depths[names[1]] < depths[below] or names[1] == below
                assert is_down, f"{module} imports {other}"


@pytest.mark.parametrize("module", modules())
def test_third_party_packages_stay_in_their_modules(module: str) -> None:
    for name in imported(module):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top == "byoi_lib":
            continue
        assert top in THIRD_PARTY, f"{module} imports {top}, which no layer may use"
        assert any(belongs(module, n) for n in THIRD_PARTY[top]), f"{module} imports {top}"


def test_the_server_knows_no_reviews() -> None:
    serving = [module for module in modules() if module.startswith("serving")]
    assert serving
    for module in serving:
        for name in imported(module):
            if name.startswith("byoi_lib."):
                assert name.split(".")[1] in {"serving", "contract", "errors"}, f"{module}: {name}"


def test_importing_the_package_loads_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import byoi_lib;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["byoi_lib"]


def test_tensorflow_is_loaded_only_where_a_network_is_built_trained_or_run() -> None:
    users = {name for name in modules() if "byoi_lib._tensorflow.keras" in imported(name)}
    assert users == {
        "datasets",
        "embeddings",
        "fitting",
        "keras_layers",
        "model",
        "onnx_file",
        "runtime",
        "training",
    }
