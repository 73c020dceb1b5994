"""Alerts: troubles that last long enough are told once, and sent until the message arrives.

`conditions` says what is wrong now, `incidents` which of it is news, `book` keeps both over a
restart, `delivery` sends, and `watch` combines them. Other modules decide what is late or drifting;
this package decides who hears of it, and how often.
"""
