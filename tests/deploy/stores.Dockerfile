# Debian's Postgres and InfluxDB, with the folders that the images of compose.yaml bring.
ARG BASE
# hadolint ignore=DL3006
FROM ${BASE}
RUN install --directory --owner postgres --group postgres --mode 0700 /var/lib/postgresql/data \
    && install --directory --owner postgres --group postgres --mode 3777 /var/run/postgresql \
    && install --directory --owner influxdb --group influxdb --mode 0700 /var/lib/influxdb2 /etc/influxdb2
