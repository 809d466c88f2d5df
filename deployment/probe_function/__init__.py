"""The function that `deployment.probe` sends to a cluster's workers."""
