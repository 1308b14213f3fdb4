"""The Salesforce adapter's manifest."""

from adapters.salesforce.receiver import SalesforceReceiver
from adapters.salesforce.settings import SalesforceSettings, hosts
from adapters.salesforce.topics import TOPICS
from connector.contract import Adapter

ADAPTER = Adapter(
    name="salesforce",
    title="Salesforce",
    settings=SalesforceSettings,
    hosts=hosts,
    receiver=SalesforceReceiver,
    topics=TOPICS,
)
