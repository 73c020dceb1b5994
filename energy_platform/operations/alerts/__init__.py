"""Alerts: what is wrong long enough to be told, told once, and sent until it arrives.

`conditions` says what is wrong now, `incidents` which of it is news, `book` keeps both over a
restart, `delivery` sends, and `watch` puts them together. What is late or drifting is decided
elsewhere; here is decided who hears of it, and how often.
"""
