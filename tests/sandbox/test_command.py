"""``connector sandbox serve`` and ``post``, as a person runs them."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.sandbox.conftest import PATIENCE, Webhook

COMMAND = (sys.executable, "-c", "from connector.cli import main; main()", "sandbox")


def test_serve_answers_until_it_is_told_to_stop() -> None:
    with subprocess.Popen([*COMMAND, "serve", "--port", "0", "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        connection = http.client.HTTPConnection(urlsplit(facts["api_url"]).netloc, timeout=PATIENCE)
        path = f"{urlsplit(facts['api_url']).path}/{facts['waba_id']}/message_templates"
        connection.request("GET", path, headers={"Authorization": "Bearer anything"})
        names = [template["name"] for template in json.loads(connection.getresponse().read())["data"]]
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert "order_paid" in names, "the templates of the recipes are there without being named"


def test_serve_says_how_to_connect_an_org_and_a_shop_that_hold_the_orders() -> None:
    options = ("serve", "--port", "0", "--json", "--orders", "30", "--contacts", "--client-secret", "s3cret")
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        connection = http.client.HTTPConnection(urlsplit(facts["api_url"]).netloc, timeout=PATIENCE)
        form = "grant_type=client_credentials&client_id=sandbox-client&client_secret=s3cret"
        statuses = []
        for url in (facts["salesforce_api_url"] + "/services", facts["shopify_api_url"].partition("/api/")[0]):
            path = "oauth2/token" if url.endswith("/services") else "oauth/access_token"
            connection.request("POST", f"{urlsplit(url).path}/{path}", form)
            answer = connection.getresponse()
            statuses.append((answer.status, "access_token" in json.loads(answer.read())))
        found = []
        for path in ("shop/orders", "org/records/Contact"):
            connection.request("GET", f"/_sandbox/{path}")
            (rows,) = json.loads(connection.getresponse().read()).values()
            found.append(len(rows))
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert statuses == [(200, True), (200, True)]
    assert found == [30, 30]
    assert (facts["organization_id"][:3], facts["shop"]) == ("00D", "sandbox-store.myshopify.com")


def test_post_says_what_became_of_the_orders(open_webhook: Callable[[str], Webhook]) -> None:
    webhook = open_webhook("s3cret")
    options = ["--url", webhook.url, "--secret", "s3cret", "--count", "40", "--forged", "4", "--duplicates", "3"]
    done = subprocess.run([*COMMAND, "post", *options, "--unusable", "5", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["expected_messages"], result["expected_skips"], result["refused"]) == (28, 5, 4)
    assert result["ok"] is True
    assert len(webhook.taken) == 36
    shown = subprocess.run([*COMMAND, "post", *options], capture_output=True, text=True)
    assert "messages to expect" in shown.stdout


def test_another_machine_is_refused_with_one_sentence_and_code_2() -> None:
    for options in (["post", "--url", "http://example.com/", "--secret", "s"], ["serve", "--host", "0.0.0.0"]):
        done = subprocess.run([*COMMAND, *options], capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.strip().count("\n") == 0
        assert "stays on this machine" in done.stderr
