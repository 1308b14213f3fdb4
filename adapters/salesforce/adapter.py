"""The Salesforce adapter's manifest."""

from adapters.salesforce.check import check
from adapters.salesforce.crm import make_crm
from adapters.salesforce.feed import make_feed
from adapters.salesforce.receiver import SalesforceReceiver
from adapters.salesforce.settings import SalesforceSettings, hosts
from adapters.salesforce.topics import TOPICS
from adapters.salesforce.wsdl import read_wsdl
from connector.contract import Adapter, Proof, Settings, Step


def _proof(settings: Settings) -> Proof | None:
    if not settings.get("webhook_secret"):
        return None  # an Outbound Message is proven by the organisation that it names
    return Proof(
        header="X-Connector-Signature",
        secret="webhook_secret",  # noqa: S106 - the name of a setting
        body='{"object": "Contact", "records": []}',
    )


ADAPTER = Adapter(
    name="salesforce",
    title="Salesforce",
    settings=SalesforceSettings,
    hosts=hosts,
    receiver=SalesforceReceiver,
    feed=make_feed,
    crm=make_crm,
    check=check,
    objects=("Contact", "Lead", "Account", "Opportunity", "Case", "Order", "CampaignMember", "Task", "Event"),
    read_fields=read_wsdl,
    topics=TOPICS,
    custom_events="*",  # custom objects, and whatever the setting actions says
    summary="An organisation: records that change come in; opt-in status, labels and fields are written back.",
    guide=(
        Step(
            words="**Setup > Outbound Messages > New**: choose the object, paste this address as *Endpoint URL*, and "
            "choose the fields that your mappings use, with these two among them.",
            copy="webhook_url",
            items=("Id", "SystemModstamp"),
        ),
        Step(
            words="**Setup > Flows > New > Record-Triggered Flow**: the same object, entry conditions as tight as they "
            "can be, and the action **Outbound Message**. Let the integration user's own changes not fire it."
        ),
        Step(
            words="Or post JSON from a flow or from Apex to the same address, with the header `X-Connector-Secret` or "
            "`X-Connector-Signature`, and the same secret in the setting `webhook_secret`."
        ),
        Step(
            words="For asking after lost messages, and for writing back: make an **External Client App** with the "
            "client credentials flow, and enter its consumer key and secret here."
        ),
    ),
    proof=_proof,
)
