"""The read API: one module per resource, each with a router.

`answers` has the forms of an answer, `parameters` what several resources are asked by, `questions`
asks the stores once for all. What a question means is decided by `reading` and `history`, so that
an answer over HTTP equals the one of a notebook.
"""
