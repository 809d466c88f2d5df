# Builds the image that runs one function's instance as a pod under Function Mesh: Pulsar's Python instance, the locked
# packages and the functions' zips. It has no Java and no broker. Build it in the checkout:
#   docker build --file docker/runner.Dockerfile --tag alpes-runner:1 .
#
# It is based on Debian for the reason that docker/Dockerfile gives.
ARG PULSAR_VERSION=4.0.8

FROM apachepulsar/pulsar:${PULSAR_VERSION} AS pulsar

# The zips, with the code that deploys them elsewhere.
FROM python:3.11-slim-bookworm AS zips

WORKDIR /build
COPY requirements/app.txt requirements/

RUN python3 -m venv venv \
    && sed -n '/^pyyaml==/,/# via/p' requirements/app.txt > yaml.txt \
    && venv/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement yaml.txt

COPY deployment deployment
COPY docker/make_zips.py docker/
COPY function-configs function-configs
COPY functions functions
COPY local_stack local_stack
COPY runtime runtime
COPY schemas schemas
COPY terminal terminal

RUN venv/bin/python -m docker.make_zips /build/zips


FROM python:3.11-slim-bookworm

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VIRTUAL_ENV=/opt/venv

# Function Mesh runs `python`.
ENV PATH=/opt/venv/bin:$PATH

COPY requirements/runtime.txt requirements/reports.txt /opt/alpes/requirements/

RUN python3 -m venv "$VIRTUAL_ENV" \
    && pip install --require-hashes --requirement /opt/alpes/requirements/runtime.txt \
        --requirement /opt/alpes/requirements/reports.txt \
    && groupadd --gid 10001 alpes \
    && useradd --uid 10001 --gid alpes --create-home --shell /usr/sbin/nologin alpes \
    && mkdir -p /pulsar \
    && chown alpes:alpes /pulsar

# Function Mesh's command changes a file beside the instance, and makes the log's configuration in conf/. The instance unpacks
# the zip where it lies. So all of it is the user's.
COPY --from=pulsar --chown=alpes:alpes /pulsar/instances/python-instance /pulsar/instances/python-instance
COPY --from=pulsar --chown=alpes:alpes /pulsar/conf/functions-logging /pulsar/conf/functions-logging
COPY --from=zips --chown=alpes:alpes /build/zips /pulsar/functions

# So that an image without what an instance imports is never made.
RUN python /pulsar/instances/python-instance/python_instance_main.py --help > /dev/null \
    && chown alpes:alpes /pulsar/conf /pulsar/instances

USER 10001
WORKDIR /pulsar
