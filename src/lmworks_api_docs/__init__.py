"""The demonstration of the quickstart, an extension like any other: documentation of the operations of services."""
