"""Where programs under test run: `run.py` is what others call, the other files run in processes of its own.

Nothing is imported here, and of lmworks nothing but `errors.py` in the whole package: the processes start quickly, and
hold nothing that a program could find in them.
"""
