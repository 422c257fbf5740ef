"""As whom the service connects to PostgreSQL where this repository says so: superusers pass row-level security."""

from pathlib import Path

import yaml

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text(encoding="utf-8"))


def test_compose_makes_an_ordinary_role_and_the_service_is_it() -> None:
    database = COMPOSE["services"]["db"]
    assert "POSTGRES_USER" not in database["environment"]  # so the superuser is postgres
    (config,) = database["configs"]
    assert config["target"].startswith("/docker-entrypoint-initdb.d/")
    script = COMPOSE["configs"][config["source"]]["content"]
    assert "CREATE ROLE flow_forecaster LOGIN" in script
    assert "SUPERUSER" not in script
    for process in ("migrate", "api", "worker"):
        address = COMPOSE["services"][process]["environment"]["FLOW_FORECASTER_DATABASE_URL"]
        assert "//flow_forecaster:" in address
