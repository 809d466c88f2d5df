"""Sends orders, follows them and fetches reports; starts the command `alpes`, also `python -m client`."""
