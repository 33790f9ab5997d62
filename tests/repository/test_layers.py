"""Who may import whom: the picture in docs/architecture.md, held by reading the sources."""

import ast
import functools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("byoi", "byoi_lib")

# Highest first. A module imports only from rows below its own; a name ending in "." is a package,
# whose modules may import one another.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("byoi_lib.commands",),
    ("byoi_lib.demo",),
    ("byoi_lib.training_job",),
    ("byoi_lib.inference", "byoi_lib.serializers", "byoi_lib.training"),
    ("byoi_lib.datasets", "byoi_lib.runtime"),
    (
        "byoi_lib.export",
        "byoi_lib.model",
        "byoi_lib.report",
        "byoi_lib.request",
        "byoi_lib.sample",
    ),
    ("byoi_lib.layers", "byoi_lib.preprocessing"),
    ("byoi_lib.manifest", "byoi_lib.vocabulary"),
    ("byoi_lib._tensorflow",),
    ("byoi.cli",),
    ("byoi.cli_checking", "byoi.cli_deployment", "byoi.cli_project", "byoi.cli_serving"),
    ("byoi.cli_subjects", "byoi.cli_values"),
    ("byoi.pytest_plugin",),
    ("byoi.testing",),
    ("byoi.emulator.", "byoi.hosting."),
    ("byoi.deployment.",),
    ("byoi.conformance.",),
    ("byoi.local.",),
    ("byoi.server.",),
    ("byoi.preloading", "byoi.project_data", "byoi.starting", "byoi.training_script"),
    ("byoi.models.",),
    (
        "byoi.invocation",
        "byoi.model_data",
        "byoi.project",
        "byoi.registry",
        "byoi.traffic",
        "byoi.training",
    ),
    ("byoi.formats.",),
    ("byoi.proxies",),
    ("byoi.digest", "byoi.extras", "byoi.names", "byoi.policy"),
    ("byoi._canvas", "byoi._face", "byoi.contract", "byoi.errors"),
    ("byoi.terminal",),
)
# What the model's library may use of the tool; its verbs and the demo use all of it.
GROUND = (
    *("byoi.contract", "byoi.digest", "byoi.errors", "byoi.extras", "byoi.formats"),
    "byoi.model_data",
)
PLATFORM = {
    "byoi_lib.report": ("byoi._canvas",),
    "byoi_lib.training_job": ("byoi.training",),
}

# Inside the emulator, where `__init__` and `__main__` stand above all.
EMULATOR: tuple[tuple[str, ...], ...] = (
    ("process",),
    ("application",),
    ("api_gateway", "calls", "runtime"),
    ("answer_shapes",),
    ("aws",),
    ("endpoints",),
    ("runners",),
    ("door",),
    ("post_policy",),
    ("payloads",),
    ("signatures",),
    ("answers", "credentials"),
    ("refusals",),
    ("operations",),
    ("vouched",),
    ("vouched_rows",),
)

# Which modules may import a package that is not in the standard library; "." as above.
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "docker": ("byoi.local._docker_sdk", "byoi.registry"),
    "urllib3": (
        "byoi.deployment.invocation",
        "byoi.hosting.response_stream",
        "byoi.local._docker_sdk",
    ),
    "flask": ("byoi.server.",),
    "gunicorn": ("byoi.server.",),
    "httptools": ("byoi.server.requests",),
    "pytest": ("byoi.pytest_plugin",),
    "packaging": ("byoi.server.requirements",),
    "werkzeug": ("byoi.emulator.", "byoi.formats.", "byoi.server."),
    "airspeed": ("byoi.emulator.",),
    "jsonpath_ng": ("byoi.hosting.data_processing",),
    "jsonschema": ("byoi.emulator.",),
    "moto": ("byoi.emulator.",),
    "yaml": ("byoi.emulator.aws.template",),
    "numpy": ("byoi.formats.", "byoi.models.", "byoi.server.aws_libraries", "byoi_lib."),
    "keras": ("byoi_lib._tensorflow",),
    "tensorflow": ("byoi_lib._tensorflow",),
    "joblib": ("byoi.models.pickled",),
    "onnx": ("byoi_lib.export",),
    "onnxruntime": ("byoi_lib.runtime",),
    "matplotlib": ("byoi._canvas",),
    "tqdm": ("byoi_lib.training",),
    "sagemaker": ("byoi.hosting.", "byoi_lib.demo"),
    "boto3": ("byoi.deployment.", "byoi.hosting."),
    "botocore": ("byoi.deployment.", "byoi.emulator.", "byoi.hosting."),
}


def modules() -> list[str]:
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        # Templates are no modules of this project, but files of a user's.
        if "templates" not in path.parts
        if path.parent != ROOT / package or path.name != "__init__.py"
    )


def source(module: str) -> str:
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8")


def belongs(module: str, name: str) -> bool:
    return module == name or (name.endswith(".") and (module + ".").startswith(name))


def layer(module: str) -> int:
    for depth, names in enumerate(LAYERS):
        if any(belongs(module, name) for name in names):
            return depth
    pytest.fail(f"{module} stands in no layer of {Path(__file__).name}: add it to one")


def imported(module: str) -> set[str]:
    """Every absolute name `module` imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source(module))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            assert node.module
            if node.module.split(".")[0] in PACKAGES:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                names.add(node.module)
    return names


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@functools.cache
def face(package: str) -> dict[str, str]:
    """The names a package's `__init__` imports for type checkers, and where they come from."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(source(package)))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def imported_here(module: str) -> set[str]:
    """The modules of this project that `module` imports; a face counts as what is behind it."""
    found = set()
    for name in imported(module):
        if name.split(".")[0] in PACKAGES:
            if not is_module(name):
                package, _, member = name.rpartition(".")
                name = face(package).get(member, name) if is_package(package) else name  # noqa: PLW2901
            found.add(name if is_module(name) else name.rpartition(".")[0])
    return found - set(PACKAGES)


def is_package(name: str) -> bool:
    return ROOT.joinpath(*name.split("."), "__init__.py").is_file()


@pytest.mark.parametrize("module", modules())
def test_imports_go_down(module: str) -> None:
    mine = layer(module)
    for other in imported_here(module):
        siblings = any(
            name.endswith(".") and belongs(module, name) and belongs(other, name)
            for name in LAYERS[mine]
        )
        assert layer(other) > mine or siblings, f"{module} imports {other}"


def test_the_tool_does_not_know_the_library_of_this_model() -> None:
    for module in modules():
        if module.startswith("byoi."):
            for name in imported(module):
                assert name.split(".")[0] != "byoi_lib", f"{module} imports {name}"


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("byoi_lib.")])
def test_the_library_uses_the_ground_of_the_tool(module: str) -> None:
    if module in {"byoi_lib.commands", "byoi_lib.demo"}:
        return
    for other in imported_here(module):
        if other.startswith("byoi."):
            allowed = (*GROUND, *PLATFORM.get(module, ()))
            assert any(f"{other}.".startswith(f"{name}.") for name in allowed), (
                f"{module} imports {other}"
            )


@pytest.mark.parametrize(
    ("package", "stranger"),
    [
        ("emulator", "hosting"),
        ("emulator", "deployment"),
        ("hosting", "emulator"),
        ("deployment", "emulator"),
        ("deployment", "hosting"),
    ],
)
def test_emulator_deployment_and_hosting_do_not_know_each_other(package, stranger) -> None:
    """But for hosting, which deploys with deployment."""
    found = [
        f"{module} imports {other}"
        for module in modules()
        if module.startswith(f"byoi.{package}")
        for other in imported_here(module)
        if f"{other}.".startswith(f"byoi.{stranger}.")
    ]
    assert found == []


def test_imports_inside_the_emulator_go_down() -> None:
    depths = {name: depth for depth, row in enumerate(EMULATOR) for name in row}
    for module in modules():
        names = module.split(".")
        if names[:2] != ["byoi", "emulator"] or names[2:] in ([], ["__main__"]):
            continue
        for other in imported_here(module):
            if other.startswith("byoi.emulator."):
                below = other.split(".")[2]
                is_down = depths[names[2]] < depths[below] or names[2] == below
                assert is_down, f"{module} imports {other}"


@pytest.mark.parametrize("module", modules())
def test_third_party_packages_stay_in_their_modules(module: str) -> None:
    for name in imported(module):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top in PACKAGES:
            continue
        assert top in THIRD_PARTY, f"{module} imports {top}, which no layer may use"
        assert any(belongs(module, n) for n in THIRD_PARTY[top]), f"{module} imports {top}"


def test_the_server_knows_no_reviews() -> None:
    serving = [module for module in modules() if module.startswith("byoi.server")]
    assert serving
    for module in serving:
        for name in imported_here(module):
            assert name.split(".")[1] in {
                *("server", "formats", "_face", "contract", "errors", "terminal"),
            }, f"{module}: {name}"


def test_tensorflow_is_loaded_only_where_a_network_is_built_trained_or_run() -> None:
    users = {name for name in modules() if "byoi_lib._tensorflow.keras" in imported(name)}
    assert users == {
        "byoi_lib.datasets",
        "byoi_lib.layers",
        "byoi_lib.model",
        "byoi_lib.runtime",
        "byoi_lib.training",
    }
