"""The only room that speaks SQL.

:class:`Store` opens the database; the modules beside it hold plain functions, one subject each, whose
first argument is the transaction: ``with store.write() as tx: accounts.add(tx, ...)``.
"""

from connector.store.engine import Store, Transaction

__all__ = ["Store", "Transaction"]
