"""One module per subcommand of `alpes`; a new one is added to the list in client/cli.py."""
