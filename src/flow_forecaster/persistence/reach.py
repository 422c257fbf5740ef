"""Which rows a transaction may reach: one tenant's or everyone's.

PostgreSQL is told so in the very message that begins a transaction, and holds it to that by row-level security: the
second lock behind the predicates of the repositories. Who says nothing reaches nothing. SQLite has the first lock only.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Uuid, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

TENANT, EVERYONE = "flow_forecaster.tenant", "flow_forecaster.everyone"


def beginning(tenant_id: UUID | None, *, read_only: bool = False) -> str:
    """Write the message that begins a transaction of a tenant on PostgreSQL, or of a worker (None).

    One that only reads sees a single state of the database, as it does on SQLite: what it finds belongs together.
    """
    name, value = (EVERYONE, "on") if tenant_id is None else (TENANT, str(tenant_id))
    level = "REPEATABLE READ, READ ONLY" if read_only else "READ COMMITTED"
    return f"BEGIN ISOLATION LEVEL {level}; SELECT set_config('{name}', '{value}', true)"


class Declared(FunctionElement[UUID]):
    """A tenant's id as a statement's parameter, by which the statement also says on whose behalf it is.

    For a statement that is a transaction of its own: it has no message before it that could say so.
    """

    type = Uuid()
    inherit_cache = True

    def __init__(self, name: str) -> None:
        self.parameter: BindParameter[UUID] = bindparam(name, type_=Uuid())
        super().__init__(self.parameter)


@compiles(Declared, "postgresql")
def _on_postgresql(element: Declared, compiler: Any, **options: Any) -> str:
    given = compiler.process(element.clauses, **options)
    return f"CAST(set_config('{TENANT}', CAST({given} AS TEXT), true) AS UUID)"


@compiles(Declared, "sqlite")
def _on_sqlite(element: Declared, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))
