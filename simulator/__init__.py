"""The exchanges' own protocols on local sockets, with moving markets and faults on demand.

`providers` has one module or package per provider, and all that only one of them knows. What they
share is here: `world` (the clock, the seed, the addresses), `listeners` (the sockets), `journal`
(what was emitted), `faults` and `http_faults` (what is to go wrong), `power_system` (load,
generation, prices and flows that several providers tell of), `signal`, `board`, `timeline` and
`market_days` (from which a market is made), `recordings` (payloads in place of a model), `soap` and
`sns_sender` (a call, and a topic that pushes). `recorded` stands in for sources without a model.
`server` runs it all.

The platform never imports anything from here; it only meets the simulator on a socket. The
simulator uses none of the platform's code for wire formats: it has codes and frames of its own.
"""
