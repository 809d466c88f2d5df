"""How our processes outside a function speak to Pulsar: by its protocol, and by its admin API."""
