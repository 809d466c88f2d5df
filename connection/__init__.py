"""How any of our processes outside a function speaks to Pulsar: by its protocol, and by its admin API."""
