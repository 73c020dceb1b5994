"""The exchanges' own protocols on local sockets, with moving markets and faults on demand.

`providers` has one module or package per provider, and all that only one of them knows. What they
share is here: `world` (the clock, the pace, the addresses), `listeners` (the sockets), `journal`
(what was emitted), `faults` and `http_faults` (what is to go wrong), `power_system` (load,
generation, prices and flows that several providers tell of), `signal`, `beats`, `timeline` and
`market_days` (from which a market is made), `soap`, `ftp_server`, `amazon`, `announced_bucket` and
`sns_sender` (how it is served). `recorded` serves sources without a model from their test cases.
`server` runs it all, and `python -m simulator` is the command.

The platform never imports anything from here: it meets the simulator on sockets, and finds these by
a file. The simulator uses none of the platform's code for wire formats: it has codes and frames of
its own.
"""
