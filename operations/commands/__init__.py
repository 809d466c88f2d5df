"""The subcommands of `alpes` for operators; each does no more than read options and show results."""
