"""Extension for the demonstration of the quickstart: documentation of the operations of cloud services."""
