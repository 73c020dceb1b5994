"""What `energy-platform doctor` looks at: one small check for each thing that can be wrong.

A check yields findings, each with what to do; it changes nothing and takes seconds at most. `look`
runs them all. `configuration` has the checks of variables, `installation` those of Python and its
packages, `machine` those of the operating system, `home_folder` those of the home, and `services`
those of what listens elsewhere. How the sources are doing is in `status`.
"""
