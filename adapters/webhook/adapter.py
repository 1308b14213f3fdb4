"""The manifest: a receiver that takes any event, so it declares no topics."""

from adapters.webhook.receiver import WebhookReceiver
from adapters.webhook.settings import WebhookSettings
from connector.contract import Adapter, Proof, Settings, Step


def _proof(settings: Settings) -> Proof:
    return Proof(
        header=settings["header"],
        secret="secret",  # noqa: S106 - the name of a setting
        digest=settings["algorithm"] if settings["mode"] == "hmac" else "",
        encoding=settings["encoding"],
        prefix=settings["prefix"],
        body='{"type": "", "note": "a test by hand"}',
    )


ADAPTER = Adapter(
    name="webhook",
    title="Webhook (any signed JSON)",
    settings=WebhookSettings,
    receiver=WebhookReceiver,
    summary="A booking system, a till, a script: whatever can post JSON and sign it.",
    guide=(
        Step(words="Let the sender post each event as one JSON object to this address.", copy="webhook_url"),
        Step(
            words="Let it put the digest of the raw body into the header that the settings name, made with the same "
            "secret; or, with the mode `shared`, the secret itself."
        ),
        Step(words="Send one event, or the test below, and see it arrive here."),
    ),
    proof=_proof,
)
