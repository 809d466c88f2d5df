"""The subcommands of `alpes` that look at a whole system: one module each, named in client/cli.py."""
