"""The Salesforce adapter's manifest."""

from adapters.salesforce.settings import SalesforceSettings, hosts
from connector.contract import Adapter

ADAPTER = Adapter(name="salesforce", title="Salesforce", settings=SalesforceSettings, hosts=hosts)
