"""The order producer and the operator's command line: `alpes`, also `python -m client`."""
