"""Orders whose message a policy dropped, taken again from the topics that still retain it."""
