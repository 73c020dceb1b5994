"""The stores (the landing zone, the warehouse and the hot store) and the live bus.

Each is one protocol; each store has an embedded and a cloud implementation, and the live bus an
embedded one and one in Google Pub/Sub. `pubsub_address` names what is in Pub/Sub, and
`pubsub_topics` connects to it. The packages above decide what the rows mean and when they are
written.
"""
