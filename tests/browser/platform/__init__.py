"""The traders' screens on one whole platform. It is a package so that its platform ends with it."""
