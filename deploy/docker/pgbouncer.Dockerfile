# PgBouncer from Debian: Dagster opens hundreds of connections a run, and a Postgres bears a hundred in all.
ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends pgbouncer postgresql-client \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/docker/pgbouncer.ini /etc/pgbouncer/energy.ini
USER 10001:10001
STOPSIGNAL SIGINT
ENTRYPOINT ["pgbouncer"]
CMD ["/etc/pgbouncer/energy.ini"]
