"""What every command line of ours shares: options, progress, output, and how an error ends it."""
