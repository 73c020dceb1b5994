"""The layout of a provider's documents: their fields and kinds of values, and how it drifts.

`layout` has the values, `reading` finds them in raw bytes of any format, `baseline` compares a
message with the accepted layout, and `watch` does so for the messages of a batch and keeps what it
learned. Parsers are not involved: a drift is reported whether or not anyone reads the field.
"""
