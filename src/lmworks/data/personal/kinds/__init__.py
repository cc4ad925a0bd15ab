"""Detectors of each kind of personal data, by how it is written in each country."""
