"""One order's way through topics and tables."""
