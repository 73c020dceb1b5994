"""Keeps the platform's processes running, on one machine, on loopback.

`plan` lists the processes and how each is started; `ports` chooses where they listen; `supervisor`
hands them to supervisord, and asks it for their states; `warm_supervisord` is that supervisord,
which restarts a process that dies, and forks those that share its imports. `valkeys` says how the
broker and the live bus are started, `broker` what is done about its damaged file. `kernel` and
`short_paths` deal with the operating system. What a process does is in its own package.
"""
