"""The stores: the landing zone, the warehouse and the hot store.

Each is one protocol with an embedded and a cloud implementation. The packages above decide what the
rows mean and when they are written.
"""
