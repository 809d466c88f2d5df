"""Recovers orders whose message a policy dropped, from the topics that still retain it."""
