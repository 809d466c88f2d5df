"""Gives each function as many instances as its load needs: `alpes autoscale`."""
