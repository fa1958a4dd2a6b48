# The images of the workload and of the lab. Two targets of one file, because they share the base, the user
# and the rules; docker-compose.yml builds both.
#
#   workload   the five services and nothing else: locks/workload.txt, no package manager in use at run time
#   lab        the seed job and the console: plus locks/lab.txt, which no service needs
#
# Written for BuildKit and for the older builder alike, so without cache mounts.

# Pinned in .env.example.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm


# Dependencies are installed in a separate stage, so that files of the installer stay out of the image. Hashes
# are checked, and nothing is compiled: a lock without a wheel for this platform fails here.
FROM ${PYTHON_IMAGE} AS workload-dependencies
RUN python -m venv --without-pip /opt/venv
COPY locks/workload.txt /tmp/
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --only-binary :all: \
        --require-hashes --requirement /tmp/workload.txt


FROM ${PYTHON_IMAGE} AS base
ARG VERSION=0.2.0
LABEL org.opencontainers.image.vendor="Credit Lab" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# A uid above all system users, so that no user of the host owns files of the image.
RUN groupadd --gid 10001 credit \
    && useradd --uid 10001 --gid credit --home-dir /tmp --no-create-home --shell /usr/sbin/nologin credit
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    # The file system is read-only at run time; bytecode is compiled below.
    PYTHONDONTWRITEBYTECODE=1 \
    # Inside a container processes listen on all addresses; docker-compose.yml publishes ports on the host.
    BIND_ADDRESS=0.0.0.0
WORKDIR /opt/credit-lab


FROM base AS workload
LABEL org.opencontainers.image.title="credit-lab-workload" \
      org.opencontainers.image.description="Five credit services that put a realistic load on PostgreSQL"
COPY --from=workload-dependencies /opt/venv /opt/venv
COPY workload workload
RUN python -m compileall -q workload
USER credit
ENV HEALTH_URL=http://127.0.0.1:8001/healthz
# 200 only when the service takes arrivals (or is paused by request): not while it starts or drains.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-ISc", "import os, urllib.request; urllib.request.urlopen(os.environ['HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["python", "-m", "workload"]
CMD ["all"]


FROM workload-dependencies AS lab-dependencies
COPY locks/lab.txt /tmp/
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --only-binary :all: \
        --require-hashes --requirement /tmp/lab.txt


FROM base AS lab
LABEL org.opencontainers.image.title="credit-lab" \
      org.opencontainers.image.description="The seed job and the console of Credit Lab"
COPY --from=lab-dependencies /opt/venv /opt/venv
COPY workload workload
COPY lab lab
# Runbooks, for the console.
COPY docs/alerts.md docs/
RUN python -m compileall -q workload lab \
    && install --directory --owner credit --group credit /var/lib/credit-lab
USER credit
ENTRYPOINT ["python", "-m"]
