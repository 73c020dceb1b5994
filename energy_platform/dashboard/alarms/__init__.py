"""Alarms on thresholds: a user's rules, evaluated once on the server over the topics' rows.

`rules` says what a rule is, `tracks` when an alarm is raised and cleared, `alarm_file` keeps both
over restarts, `watch` evaluates. What is wrong with the platform itself belongs to
`energy_platform.operations.alerts`, whose channels alarms use.
"""
