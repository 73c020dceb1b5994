"""Keeps the platform's processes running, on one machine, on loopback.

`plan` says which processes there are and how each is started; `supervisor` hands them to
supervisord, which restarts one that dies, and asks it how they are. What a process does is in its
own package.
"""
