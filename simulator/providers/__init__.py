"""One module or package per simulated provider, each with one `PROVIDER` value."""
