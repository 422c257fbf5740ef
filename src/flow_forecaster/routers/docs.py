"""/docs: Swagger UI from the package's own files; nothing is loaded from another host."""

from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from flow_forecaster.routers.access import EVERYONE
from flow_forecaster.routers.browsers import DOCUMENTATION_POLICY

ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Serve the interactive documentation of `app`."""
    folder = Path(fastapi_offline.__file__).parent / "static"
    app.mount(ASSETS, StaticFiles(directory=folder), name="docs-assets")

    @app.get("/docs", include_in_schema=False, openapi_extra=EVERYONE)
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )
        page.headers["Content-Security-Policy"] = DOCUMENTATION_POLICY
        return page
