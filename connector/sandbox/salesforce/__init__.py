"""A Salesforce org that stands in for a real one: REST, sObject Collections, Bulk 2.0, Outbound Messages."""

from connector.sandbox.salesforce.org import SandboxOrg as SandboxOrg
