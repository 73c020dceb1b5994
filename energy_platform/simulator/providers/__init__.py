"""One module per simulated provider, each with one `PROVIDER` value."""
