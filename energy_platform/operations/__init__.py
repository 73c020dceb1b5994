"""Running and watching the platform: status, metrics, alerts, and supervised processes."""
