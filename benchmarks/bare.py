"""What the service is measured against: one FastAPI route that validates the same body and stores one row.

`python -m benchmarks.bare DATABASE_URL SIZE` serves it with uvicorn's defaults; the row's result has SIZE characters.
"""

import sys
from uuid import UUID, uuid4

import uvicorn
from fastapi import FastAPI
from sqlalchemy import insert

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.reach import Declared
from flow_forecaster.persistence.tables import ForecastRow
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.kinds import ForecastRequest

PATH = "/forecasts"
_INSERT = insert(ForecastRow.metadata.tables[ForecastRow.__tablename__]).values(tenant_id=Declared("owner"))


def create(url: str, size: int) -> FastAPI:
    """Build the application. It uses the service's table, connections and settings of the database."""
    app = FastAPI()
    database = Database(url)
    result = '"' + "x" * (size - 2) + '"'

    @app.post(PATH, status_code=201)
    async def store(request: ForecastRequest) -> dict[str, UUID]:
        forecast_id = uuid4()
        row = {"id": forecast_id, "kind": request.kind, "status": "succeeded", "request": request.model_dump_json()}
        async with database.engine.begin() as connection:
            rest = {"seed": 0, "engine_version": "", "result": result, "owner": OPEN_TENANT}
            await connection.execute(_INSERT, row | rest)
        return {"id": forecast_id}

    return app


if __name__ == "__main__":
    uvicorn.run(create(sys.argv[1], int(sys.argv[2])), port=0)
