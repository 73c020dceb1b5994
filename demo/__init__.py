"""Makes a demo: a platform's home with a past of the simulated world, as if it had always run.

`windows` says which days a demo has, and `plan` which questions were put when. `polled` puts them
to the simulated providers, by the sources' own feeds and over real sockets, on a clock that stands
at each of these instants. `traded` lets the intraday market trade. `making` lands the answers, with
the instant of each as the time of its receipt, and runs micro-batches over them, source by source.

So a demo is written as a platform writes: payloads, landing zone, parsers, checks, tables. Nothing
here knows a table's columns.

This package alone imports both the platform and its simulator. The platform starts it as a process
(`python -m demo`) and opens what it has made; see `energy_platform.reading.demo`.
"""
