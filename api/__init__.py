"""The HTTP API: takes orders, follows them and asks for reports, and speaks to Pulsar alone."""
