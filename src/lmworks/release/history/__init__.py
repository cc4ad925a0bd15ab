"""A recipe's figures over its builds."""
