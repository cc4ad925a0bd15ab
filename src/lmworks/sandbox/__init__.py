"""Sandbox for programs under test. Other packages call `run.py`, and the other files run in separate processes.

This file imports nothing, and the package imports only `errors.py` from lmworks. So the processes start quickly, and
hold nothing that a program could find in them.
"""
