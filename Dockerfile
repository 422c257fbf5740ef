# flow-forecaster: one image for the three processes (migrate, serve, worker).
#
#   docker build --tag flow-forecaster:local .
#   docker run --rm --volume flow-forecaster-data:/var/lib/flow-forecaster flow-forecaster:local \
#     flow-forecaster keys create --name administrator --scopes keys:admin,forecasts:read,forecasts:write
#   docker run --init --publish 127.0.0.1:8000:8000 --volume flow-forecaster-data:/var/lib/flow-forecaster \
#     flow-forecaster:local
#
# NUMBA_CPU_NAME chooses the processor that the kernels inside the image are compiled for; it names a stage below.
#   x86-64-v3  fits every x86-64 server with AVX2 and FMA, so the compiled kernels are valid wherever the image runs.
#   generic    fits every processor of the image's architecture: for ARM, and for x86-64 without AVX2.
#   native     fits the machine that builds. A machine with another processor compiles once more at its start, into
#              FLOW_FORECASTER_KERNEL_CACHE_DIR; a volume there keeps the result over the container's life.
ARG NUMBA_CPU_NAME=x86-64-v3

FROM python:3.13-slim-trixie AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

FROM base AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# Dependencies before sources, so that this layer is built again only when the lock changes; wheels only, so no compiler.
COPY requirements/base.txt requirements/build.txt requirements/
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: -r requirements/base.txt \
    && pip install --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY alembic alembic
COPY src src
# From here on no index is asked: what the lock does not hold cannot get in, and `pip check` says what it should hold.
RUN pip wheel --no-index --no-build-isolation --no-deps --wheel-dir /dist . \
    && pip --python /opt/venv/bin/python install --no-index --no-deps /dist/*.whl \
    && pip --python /opt/venv/bin/python check

FROM base AS runtime
RUN groupadd --gid 10001 flow-forecaster \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/flow-forecaster --shell /usr/sbin/nologin \
       flow-forecaster \
    && install --directory --owner=10001 --group=10001 --mode=0750 \
       /var/lib/flow-forecaster /var/cache/flow-forecaster /var/cache/flow-forecaster/kernels
COPY --from=builder /opt/venv /opt/venv
# The folder of the default database is not a VOLUME: processes on PostgreSQL would each get an empty anonymous one.
ENV PATH=/opt/venv/bin:$PATH \
    FLOW_FORECASTER_DATABASE_URL=sqlite+aiosqlite:////var/lib/flow-forecaster/flow-forecaster.db \
    FLOW_FORECASTER_HOST=0.0.0.0 \
    FLOW_FORECASTER_PORT=8000 \
    FLOW_FORECASTER_KERNEL_CACHE_DIR=/var/cache/flow-forecaster/kernels \
    FLOW_FORECASTER_LOG_FORMAT=json

# A compiled kernel is found again only under the same processor name and the same features. With a name alone numba adds
# the features of the machine that builds (AVX-512, say) to code and key, so the features are pinned to the name's own.
FROM runtime AS cpu-x86-64-v3
ENV NUMBA_CPU_NAME=x86-64-v3 \
    NUMBA_CPU_FEATURES=""

FROM runtime AS cpu-generic
ENV NUMBA_CPU_NAME=generic \
    NUMBA_CPU_FEATURES=""

FROM runtime AS cpu-native

FROM cpu-${NUMBA_CPU_NAME} AS service
# By number, so that an orchestrator can see without /etc/passwd that it is not root.
USER 10001:10001
WORKDIR /var/lib/flow-forecaster
# As the user that runs, so that the user can also write what another processor needs.
RUN ["flow-forecaster", "kernels"]
EXPOSE 8000
# Liveness of `serve`; a container that runs `worker` or `migrate` turns it off (docker run --no-healthcheck). The empty
# ProxyHandler keeps an http_proxy of the environment away from a call to the container itself.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['FLOW_FORECASTER_PORT'] + '/healthz', timeout=4)"]
# Exec form: the process gets SIGTERM itself. No ENTRYPOINT: Fly and Procfile platforms replace CMD only, so that the same
# whole command line works there, in compose and by hand.
CMD ["flow-forecaster", "serve"]

# Last, so that another revision leaves every layer above in the cache.
ARG VERSION=unspecified
ARG REVISION=unspecified
LABEL org.opencontainers.image.title="flow-forecaster" \
      org.opencontainers.image.description="Probabilistic delivery forecasts from a team's own throughput" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
