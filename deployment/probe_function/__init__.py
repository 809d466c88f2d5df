"""What `deployment.probe` sends to a cluster's workers."""
