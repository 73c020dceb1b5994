"""The stores (the landing zone, the warehouse and the hot store) and the live bus.

Each is one protocol; each store has an embedded and a cloud implementation, and the live bus an
embedded one. The packages above decide what the rows mean and when they are written.
"""
