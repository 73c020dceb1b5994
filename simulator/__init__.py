"""The exchanges' own protocols on local sockets, with moving markets and faults on demand.

`providers` has one module or package per provider, with everything that concerns this provider
alone. What providers share is here:

- `world` (the clock, the pace, the addresses), `listeners` (the sockets), `journal` (what was
  emitted), `faults` and `http_faults` (what is to go wrong);
- `power_system` (the load, generation, prices and flows that several providers publish), `signal`,
  `beats`, `timeline`, `first_slots` and `market_days` (what a market is made of);
- `http_provider`, `soap`, `ftp_server`, `shared_server`, `amazon`, `announced_bucket` and
  `sns_sender` (how a market is served).

`recorded` serves sources without a model from their test cases. `server` runs it all, and
`python -m simulator` is the command.

The platform imports nothing from here: it talks to the simulator through sockets, whose addresses
it reads from a file. The simulator uses none of the platform's code for wire formats: it has its
own codes and frames.
"""
