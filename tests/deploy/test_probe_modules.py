"""The probe asks a worker for every package that the functions need there."""

import re
from importlib import metadata
from pathlib import Path

from deployment.probe import MODULES

REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "runtime.in"


def test_each_package_of_the_functions_is_asked_for_by_a_module_of_its_own() -> None:
    modules_of: dict[str, set[str]] = {}
    for module, packages in metadata.packages_distributions().items():
        for package in packages:
            modules_of.setdefault(re.sub(r"[-_.]+", "-", package).lower(), set()).add(module)
    asked = {module.partition(".")[0] for module in MODULES}
    packages = re.findall(r"^[\w-]+", REQUIREMENTS.read_text(), re.MULTILINE)
    assert len(packages) == len(MODULES)
    for package in packages:
        assert modules_of[package] & asked, f"{package} is imported as {sorted(modules_of[package])}"
