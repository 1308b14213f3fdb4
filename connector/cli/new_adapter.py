"""``connector new-adapter``: a folder to begin with, which passes the contract suite as it is."""

from __future__ import annotations

import hmac
import keyword
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from connector.errors import ConfigurationError
from connector.registry import GROUP, NAME, PACKAGE, Registry

TEMPLATES = ("testing", "scaffold")
"""Below the package; connector.testing itself is not imported, since it needs pytest, which a service lacks."""
SECRET = "fixture-secret-77c1"  # noqa: S105 - of the made-up account in the fixture
LAYOUT = {
    "__init__.py": "init.py",
    "adapter.py": "adapter.py",
    "README.md": "README.md",
    "fixtures/order.json": "order.json",
    "fixtures/order_paid.http": "order_paid.http",
    "tests/test_contract.py": "test_contract.py",
}
"""File of an adapter -> its template in connector/testing/scaffold."""
_TEST_IMPORTS = (
    "from connector.model import Event, Request",
    "from connector.testing import ReceiverContract, SettingsContract, read_captured",
    "from connector.testing.captured import MOMENT",
)


@click.command("new-adapter")
@click.argument("name")
@click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to put it into.  [default: ./adapters in a checkout of the connector, else here]",
)
def new_adapter(name: str, path: Path | None) -> None:
    """Begin an adapter: a folder that passes the contract suite, with the places to CHANGE marked.

    In the adapters folder of a checkout it becomes adapters/NAME; elsewhere a package connector_NAME of
    your own, which the connector finds by an entry point.

    \b
    Examples:
      connector new-adapter acme
      connector new-adapter acme --path ~/src/connector-acme
    """
    here = path or (Path(PACKAGE) if _is_ours(Path(PACKAGE)) else Path())
    package, folder = place(name, here)
    write(name, package, folder)
    click.echo(f"Made {folder}:")
    for file in sorted(LAYOUT):
        click.echo(f"  {file}")
    click.echo(_next_steps(name, package, folder))


def place(name: str, path: Path) -> tuple[str, Path]:
    """Return the package and the folder of a new adapter. Raises ConfigurationError for a name that cannot be."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of an adapter: small letters, digits and _, beginning with a letter, at "
            "most 40 characters, such as acme or acme_crm."
        )
    ours = _is_ours(path)
    folder = path / (name if ours else f"connector_{name}")
    if folder.exists():
        raise ConfigurationError(f"{folder} exists already; remove it, or choose another name.")
    if name in Registry().names():
        raise ConfigurationError(f"There is an adapter {name!r} already; choose another name.")
    return (f"{PACKAGE}.{name}" if ours else folder.name), folder


def write(name: str, package: str, folder: Path) -> None:
    """Write the files of a new adapter. Raises ConfigurationError where that is not possible."""
    words = name.split("_")
    imports = [f"from {package}.adapter import ADAPTER, DELIVERY, SIGNATURE", *_TEST_IMPORTS]
    body = _template("order.json").template.strip()
    values = {
        "name": name,
        "title": " ".join(words).title(),
        "class_name": "".join(word.capitalize() for word in words),
        "imports": "\n".join(sorted(imports)),
        "dashed": name.replace("_", "-"),
        "header": name.replace("_", "-").title(),
        "secret": SECRET,
        "body": body,
        "length": str(len(body.encode())),
        "signature": hmac.digest(SECRET.encode(), body.encode(), "sha256").hex(),
    }
    texts = {file: _template(template).substitute(values) for file, template in LAYOUT.items()}
    try:
        for file, text in texts.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}.") from None


def _template(name: str) -> Template:
    file = files("connector").joinpath(*TEMPLATES, f"{name}.tmpl")
    return Template(file.read_text(encoding="utf-8"))


def _is_ours(path: Path) -> bool:
    return path.resolve().name == PACKAGE and (path / "__init__.py").is_file()


def _next_steps(name: str, package: str, folder: Path) -> str:
    ours = package.startswith(f"{PACKAGE}.")
    steps = [
        f"Run its tests:          python -m pytest {folder if ours else folder.name}"
        + ("" if ours else f"      (in {folder.parent.resolve()}; needs pytest and hypothesis)"),
        "Capture a real request: put it into fixtures/ as a .http file, with the people in it replaced",
        f"Find what to change:    grep -rn CHANGE {folder}",
    ]
    if not ours:
        steps.append(
            "Let the connector find it: in the pyproject.toml of your package\n\n"
            f'     [project.entry-points."{GROUP}"]\n'
            f'     {name} = "{package}.adapter:ADAPTER"\n\n'
            "   and install the package where the connector runs"
        )
    steps.append(f"Connect an account:     connector accounts add {name} --name my-{name.replace('_', '-')}")
    return "\nNext:\n" + "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
