"""The engines that stage a plan: processes of this machine, Cloud Run Jobs, Apache Beam.

Each starts `stage` with a task's number and the number of tasks, knows whether tasks still run, and
ends them. What a range becomes, and how far they are, is decided elsewhere. `program` is what a
process of this machine runs, and `choice` reads from the settings which engine there is.
"""
