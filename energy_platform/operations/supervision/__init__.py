"""Keeps the platform's processes running: all of them on one machine, or each where it is put.

`plan` lists the processes and how each is started; `ports` chooses where they listen; `alone` runs
one of them by itself. `home` makes and locks the home's folders. `supervisor` hands the processes
of one machine to supervisord, and asks it for their states; `warm_supervisord` is that supervisord,
which restarts a process that dies, and forks those that share its imports. `valkeys` says how the
broker and the live bus are started, `broker` what is done about its damaged file. `kernel` and
`short_paths` deal with the operating system. What a process does is in its own package.
"""
