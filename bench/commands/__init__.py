"""The subcommands of `python -m bench`, one a module: its options, what it runs, and what it makes of it."""
