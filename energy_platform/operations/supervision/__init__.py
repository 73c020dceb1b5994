"""Keeps the platform's processes running, on one machine, on loopback.

`plan` says which processes there are and how each is started; `ports` keeps where they listen;
`supervisor` hands them to supervisord, and asks it how they are; `warm_supervisord` is that
supervisord, which restarts one that dies, and forks those that share its imports. `kernel` and
`short_paths` hold what this asks of the system. What a process does is in its own package.
"""
