"""How migrations are run: always on the connection that :mod:`connector.store.migrate` hands over."""

from typing import Any, Literal

from alembic import context

from connector.store.columns import Moment
from connector.store.schema import metadata


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Moment) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=False,
    render_item=_render,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
