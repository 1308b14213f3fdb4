"""The Salesforce adapter's manifest."""

from adapters.salesforce.check import check
from adapters.salesforce.crm import make_crm
from adapters.salesforce.feed import make_feed
from adapters.salesforce.receiver import SalesforceReceiver
from adapters.salesforce.settings import SalesforceSettings, hosts
from adapters.salesforce.topics import TOPICS
from adapters.salesforce.wsdl import read_wsdl
from connector.contract import Adapter

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
)
