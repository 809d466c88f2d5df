"""Pagos: charges orders."""
