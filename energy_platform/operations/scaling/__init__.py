"""How many workers and collectors there are on Google Cloud: what to do, and who is told.

    load        what there is to do: backlog, lag, runs that wait
    decision    how many instances that takes; pure
    pools       reads and sets the count of a worker pool of Cloud Run
    service     looks, decides and sets, again and again

Cloud Run's worker pools take a count only and never change it themselves. How a source's lag comes
about is `status`; what a pool consists of is in `deploy/terraform`.
"""
