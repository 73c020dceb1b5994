"""The hot store in InfluxDB: 1.x by its own API, 2.x and 3.x by the v2 API.

`store` keeps the promises of `HotStore`; `server` speaks to a server, `line_protocol` and
`influxql` write and read what it understands. Nothing outside this package knows of any of it.
"""
