"""The pieces of run.py: peers (what is measured, how it is built), cells (measuring), machine, report."""
