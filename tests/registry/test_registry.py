from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from connector import registry as module
from connector.errors import ConfigurationError
from connector.registry import Registry

ROOT = Path(__file__).parents[2]
GOOD = """
from connector.contract import Adapter, SettingsSchema

ADAPTER = Adapter(name="{name}", title="A shop", settings=SettingsSchema)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put an adapter into a package of our own, of a name that no other test imports."""
    name = f"adapters_{abs(hash(str(tmp_path)))}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "PACKAGE", name)

    def put(adapter: str, source: str = GOOD) -> None:
        (folder / adapter).mkdir()
        (folder / adapter / "__init__.py").touch()
        (folder / adapter / "adapter.py").write_text(source.replace("{name}", adapter))
        importlib.invalidate_caches()

    return put


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a package that offers an adapter, as pip would leave it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(distribution: str, offers: str, called: str | None = None) -> None:
        source = distribution.replace("-", "_")
        (site / f"{source}.py").write_text(GOOD.replace("{name}", called or offers))
        info = site / f"{source}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[connector.adapters]\n{offers} = {source}:ADAPTER\n")
        importlib.invalidate_caches()

    return put


def test_a_folder_is_an_adapter(package: Callable[..., None]) -> None:
    package("shoply")
    registry = Registry()
    assert registry.names() == ["shoply"]
    assert registry.get("shoply").title == "A shop"
    assert registry.get("shoply") is registry.get("shoply")


def test_an_installed_package_brings_an_adapter(package: Callable[..., None], install: Callable[..., None]) -> None:
    package("shoply")
    install("connector-magento", "magento")
    registry = Registry()
    assert registry.names() == ["magento", "shoply"]
    assert registry.get("magento").name == "magento"


def test_listing_imports_nothing(package: Callable[..., None]) -> None:
    package("broken", "raise RuntimeError('not now')")
    assert Registry().names() == ["broken"]


def test_an_unknown_name_is_answered_with_the_known_ones(package: Callable[..., None]) -> None:
    package("shoply")
    package("crmly")
    with pytest.raises(ConfigurationError, match=r"no adapter 'shopfy'\. There are: crmly, shoply\."):
        Registry().get("shopfy")


def test_a_broken_adapter_is_named_and_harms_no_other(package: Callable[..., None]) -> None:
    package("shoply")
    package("broken", "import a_module_that_is_nowhere")
    registry = Registry()
    with pytest.raises(ConfigurationError, match=r"'broken' cannot be loaded from .*a_module_that_is_nowhere"):
        registry.get("broken")
    assert registry.get("shoply").name == "shoply"


def test_a_folder_without_an_adapter_module_is_none(package: Callable[..., None], tmp_path: Path) -> None:
    package("shoply")
    (next(tmp_path.glob("adapters_*")) / "notes").mkdir()
    (next(tmp_path.glob("adapters_*")) / "notes" / "__init__.py").touch()
    assert Registry().names() == ["shoply"]


def test_a_module_without_an_adapter_is_told(package: Callable[..., None]) -> None:
    package("empty", "")
    with pytest.raises(ConfigurationError, match="ADAPTER"):
        Registry().get("empty")


def test_something_else_than_an_adapter_is_refused(package: Callable[..., None]) -> None:
    package("odd", "ADAPTER = 'odd'")
    with pytest.raises(ConfigurationError, match=r"must be a .* not str"):
        Registry().get("odd")


def test_a_name_that_differs_is_refused(package: Callable[..., None], install: Callable[..., None]) -> None:
    package("shoply", GOOD.replace("{name}", "shopify"))
    install("connector-presta", "presta", called="prestashop")
    for name, called in (("shoply", "shopify"), ("presta", "prestashop")):
        with pytest.raises(ConfigurationError, match=f"calls itself '{called}' but is installed as '{name}'"):
            Registry().get(name)


def test_two_adapters_of_one_name_are_refused_and_the_rest_works(
    package: Callable[..., None], install: Callable[..., None]
) -> None:
    package("shoply")
    package("crmly")
    install("connector-shoply", "shoply")
    install("connector-magento", "magento")
    install("better-magento", "magento")
    registry = Registry()
    assert registry.names() == ["crmly", "magento", "shoply"]
    with pytest.raises(ConfigurationError, match=r"connector-shoply both bring an adapter 'shoply'"):
        registry.get("shoply")
    with pytest.raises(ConfigurationError, match=r"better-magento and The package connector-magento both bring"):
        registry.get("magento")
    assert registry.get("crmly").name == "crmly"


def test_a_name_that_is_no_word_is_refused(package: Callable[..., None], install: Callable[..., None]) -> None:
    package("shoply")
    install("connector-odd", "Odd Shop")
    with pytest.raises(ConfigurationError, match="small letters"):
        Registry().get("Odd Shop")


def test_the_registry_itself_imports_no_adapter() -> None:
    code = (
        "import sys, connector.registry as r; assert r.Registry().names(); "
        "print([name for name in sys.modules if name.startswith('adapters.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_every_adapter_of_the_house_loads() -> None:
    registry = Registry()
    names = registry.names()
    assert {"salesforce", "shopify", "webhook", "whatsapp"} <= set(names)
    for name in names:
        assert registry.get(name).name == name
