"""Where things are kept: the landing zone, the warehouse and the hot store.

Each is one protocol with an embedded and a cloud implementation. What the rows mean, and when
they are written, is decided above.
"""
