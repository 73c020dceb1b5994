"""The layout of what a provider sends: which fields with which kinds of values, and its drift.

`layout` has the values, `reading` finds them in raw bytes of any format, `baseline` holds a message
against what has been accepted, `watch` looks at the messages of a batch and remembers. No parser is
known here: a drift is told, whether or not anyone reads the field.
"""
