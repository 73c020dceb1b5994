"""How the platform is run and watched: status, metrics, alerts, and supervised processes."""
