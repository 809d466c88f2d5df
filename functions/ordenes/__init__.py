"""Ordenes: records orders, and what became of them."""
