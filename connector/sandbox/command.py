"""``connector sandbox``: the stand-ins from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from connector.sandbox.deliveries import Mix
from connector.sandbox.loopback import loopback_url
from connector.sandbox.orders import SHOP
from connector.sandbox.store import Posted, post
from connector.sandbox.templates import read_templates

if TYPE_CHECKING:
    from connector.sandbox.salesforce import SandboxOrg
    from connector.sandbox.shopify import SandboxShop

_SHARE = click.FloatRange(0, 1)


@click.group()
def sandbox() -> None:
    """Try everything without a shop, a WhatsApp number or a network.

    `serve` stands in for Meta's Graph API, a Salesforce org and the API of a Shopify shop, `post` for a shop
    that posts signed orders. Both stay on this machine: other addresses are refused.

    \b
    Example:
      connector sandbox serve --app-secret SECRET
    """


@sandbox.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option("--port", default=9400, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--graph-token", envvar="SANDBOX_GRAPH_TOKEN", help="Access token to insist on; any without it.")
@click.option("--webhook-url", help="Where receipts go: the WhatsApp account's webhook URL on this machine.")
@click.option("--app-secret", envvar="SANDBOX_APP_SECRET", help="Signs the receipts; the account's app_secret.")
@click.option("--verify-token", envvar="SANDBOX_VERIFY_TOKEN", help="Ask the webhook URL for the handshake first.")
@click.option("--templates", help="Meta's JSON of the templates it knows; those of the recipes without it.")
@click.option("--phone-number-id", "numbers", multiple=True, help="May be given several times.")
@click.option("--waba-id", help="Id of the business account.")
@click.option("--latency-ms", default=0.0, type=click.FloatRange(0, 60_000), help="Before each answer to a send.")
@click.option("--error-rate", default=0.0, type=_SHARE, help="Share of sends that get HTTP 500.")
@click.option("--duplicates", default=0.0, type=_SHARE, help="Share of receipts that come twice.")
@click.option("--reorder", default=0.0, type=_SHARE, help="Share of messages whose receipts come out of order.")
@click.option("--early", default=0.0, type=_SHARE, help="Share of messages whose receipt comes before the answer.")
@click.option("--stops", default=0.0, type=_SHARE, help="Share of people who write STOP.")
@click.option("--starts", default=0.0, type=_SHARE, help="Share of people who write START.")
@click.option("--taps", default=0.0, type=_SHARE, help="Share of people who tap a quick reply of every message.")
@click.option("--opts-out", default=0.0, type=_SHARE, help="Share of people who stop marketing with Meta.")
@click.option("--blocked", default=0.0, type=_SHARE, help="Share of people who stopped marketing before.")
@click.option("--absent", default=0.0, type=_SHARE, help="Share of people who are not on WhatsApp.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same trouble.")
@click.option(
    "--orders", default=0, type=click.IntRange(0, 100_000), help="Put so many orders and buyers into the shop."
)
@click.option("--orders-seed", default=7, show_default=True, help="As --seed of `post`: the same orders.")
@click.option("--contacts", is_flag=True, help="Make a contact in the org of each buyer who can be reached.")
@click.option("--shop", default=SHOP, show_default=True, help="The shop's name.")
@click.option("--shop-webhook-url", help="Where the shop's changes go: the Shopify account's webhook URL.")
@click.option(
    "--count-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keeps the number of the shop's last order, to count on from when it is started again.",
)
@click.option("--org-webhook-url", help="Where Outbound Messages go: the Salesforce account's webhook URL.")
@click.option("--client-id", default="sandbox-client", show_default=True, help="Of the app, for org and shop.")
@click.option("--client-secret", envvar="SANDBOX_CLIENT_SECRET", help="Of the app; sandbox-secret without it.")
@click.option(
    "--store-secret", envvar="SANDBOX_STORE_SECRET", help="Signs the shop's webhooks; --client-secret without."
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when it is ready.")
def serve_command(
    host: str, port: int, templates: str | None, numbers: tuple[str, ...], waba_id: str | None, as_json: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Serve stand-ins for Meta's Graph API, a Salesforce org and a Shopify shop until Ctrl-C.

    \b
    Example:
      connector sandbox serve --webhook-url http://127.0.0.1:8080/hooks/TOKEN --app-secret SECRET
      connector accounts add whatsapp --name trial --set api_url=http://127.0.0.1:9400/v26.0 …
      connector accounts add salesforce --name crm --set api_url=http://127.0.0.1:9400 …
      connector accounts add shopify --name shop --set api_url=http://127.0.0.1:9400/admin/api/2026-10 …

    The last four digits of a recipient's number decide what happens to a message (9026: not on WhatsApp,
    9700: fails later, 9900: no receipt, …); docs/sandbox.md has the table, and the paths below /_sandbox/.
    """
    from connector.sandbox.server import PHONE_NUMBER_ID, WABA_ID, SandboxServer, serve
    from connector.supervisor import follow_parent

    follow_parent()
    given["token"] = given.pop("graph_token")
    org, shop = _tenants(given)
    server = SandboxServer(
        host=host,
        port=port,
        templates=read_templates(templates),
        phone_number_ids=numbers or (PHONE_NUMBER_ID,),
        waba_id=waba_id or WABA_ID,
        tenants=(org, shop),
        **{name: value for name, value in given.items() if value is not None},
    )
    serve(server, lambda running: _ready(running, org.org_id, shop.shop, as_json=as_json))


def _tenants(given: dict[str, Any]) -> tuple[SandboxOrg, SandboxShop]:
    """Make the org and the shop, taking their options out of what was given."""
    from connector.sandbox.salesforce import SandboxOrg
    from connector.sandbox.shopify import SandboxShop

    app = {"client_id": given.pop("client_id"), "client_secret": given.pop("client_secret")}
    told = {"seed": given["seed"], **{name: value for name, value in app.items() if value}}
    org = SandboxOrg(**told, webhook_url=given.pop("org_webhook_url") or "")
    shop = SandboxShop(
        **told,
        shop=given.pop("shop"),
        count_file=given.pop("count_file"),
        webhook_url=given.pop("shop_webhook_url") or "",
        webhook_secret=given.pop("store_secret") or "",
    )
    count, seed, contacts = (given.pop(name) for name in ("orders", "orders_seed", "contacts"))
    made = shop.stock(Mix(total=count), seed=seed)
    if contacts:
        org.take(made)
    return org, shop


def _ready(server: Any, org_id: str, shop: str, *, as_json: bool) -> None:
    facts = {
        "api_url": server.graph_url,
        "phone_number_id": server.phone_number_ids[0],
        "waba_id": server.waba_id,
        "stats_url": f"{server.url}/_sandbox/stats",
        "salesforce_api_url": server.url,
        "organization_id": org_id,
        "shopify_api_url": f"{server.url}/admin/api/2026-10",
        "shop": shop,
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(f"[dim]{name}[/dim]", value)
    console = Console()
    console.print("The sandbox stands in for Meta's Graph API, a Salesforce org and a Shopify shop. Ctrl-C stops it.")
    console.print(table)


@sandbox.command("post")
@click.option("--url", required=True, help="The Shopify account's webhook URL on this machine.")
@click.option(
    "--secret",
    required=True,
    envvar="SANDBOX_STORE_SECRET",
    help="Its webhook_secret (or SANDBOX_STORE_SECRET).",
)
@click.option("--shop", default=SHOP, show_default=True, help="Its shop.")
@click.option("--count", default=300, show_default=True, type=click.IntRange(1, 1_000_000), help="Posts in all.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same orders.")
@click.option("--duplicates", default=0, type=click.IntRange(0), help="Posts among them that repeat another.")
@click.option("--forged", default=0, type=click.IntRange(0), help="Posts among them with a bad signature.")
@click.option("--unusable", default=0, type=click.IntRange(0), help="Orders without a phone that can be reached.")
@click.option("--test-orders", default=0, type=click.IntRange(0), help="Orders that are marked as tests.")
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC",
    help="Told of each order, in this order; default orders/paid.",
)
@click.option("--connections", default=8, show_default=True, type=click.IntRange(1, 256), help="Kept open at once.")
@click.option("--rate", type=click.FloatRange(0.01), help="Orders begun a second, at most.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def post_command(
    url: str, secret: str, shop: str, count: int, seed: int, duplicates: int, forged: int, unusable: int,
    test_orders: int, topics: tuple[str, ...], connections: int, rate: float | None, as_json: bool,
) -> None:  # fmt: skip
    """Post signed orders as a shop would, and count the answers.

    \b
    Example:
      connector sandbox post --url http://127.0.0.1:8080/hooks/TOKEN --secret SECRET \\
        --shop sandbox-store.myshopify.com --count 300 --duplicates 15 --forged 12 --unusable 20

    Numbers come from ranges that belong to nobody. Exit code 1 if a genuine post was not taken, or a forged
    one was.
    """
    loopback_url(url)
    mix = Mix(
        total=count,
        duplicates=duplicates,
        forged=forged,
        unusable=unusable,
        test=test_orders,
        topics=topics or ("orders/paid",),
    )
    columns = (TextColumn("Posting"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("", total=count)
        result = post(
            url,
            secret=secret,
            shop=shop,
            mix=mix,
            seed=seed,
            connections=connections,
            rate=rate,
            progress=lambda kind: bar.advance(task),
        )
    click.echo(json.dumps(result.as_json())) if as_json else _show(result)
    if not result.ok:
        raise SystemExit(1)


def _show(result: Posted) -> None:
    table = Table.grid(padding=(0, 2))
    rows = {
        "taken": ", ".join(f"{count} {kind}" for kind, count in result.acknowledged.items() if count),
        "refused forgeries": result.refused,
        "given up": result.undelivered,
        "retries": result.retries,
        "messages to expect": result.expected_messages,
        "skips to expect": result.expected_skips,
        "answers": f"p50 {result.latency_ms['p50']} ms, p99 {result.latency_ms['p99']} ms",
        "posts a second": round(result.total / result.seconds) if result.seconds else result.total,
    }
    for name, value in rows.items():
        table.add_row(f"[dim]{name}[/dim]", str(value))
    Console().print(table)
