"""Makes one report, in a process of its own: `python -m functions.reporting.making`.

A format, its libraries or a huge report can't hold up the function or end it. What is asked for comes in on standard
input, and the report goes out on standard output, in frames.
"""
