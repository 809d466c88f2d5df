"""Reporting: keeps what people want to read, and writes reports."""
