"""Trading signals: what is expected of a delivery at a gate, honestly scored.

`desk/` has a module for each signal, as `sources/` has for each market source. A signal names its
gate, its inputs and when each is known, its features, what comes of a delivery, and a recipe for
its model. `feature_frame` reads what was known at each gate and guards it. `walk_forward` trains as
time goes by, `baselines` is what a model has to beat, `scores` judges as a trader would, and
`registry` keeps models. `drift` tells when a model should not be trusted, and `speaking` says what
is expected now, or why nothing is said.

Only what any signal needs belongs here; the orchestrator's assets call it. The `signals` extra
brings what models are made with, and it is imported where a model is made or read.
"""
