"""The subcommands of `python -m bench`, one a module: its options, its runs, and the figures that it computes."""
