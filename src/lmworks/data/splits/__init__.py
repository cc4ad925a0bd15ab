"""Training, validation and test data by groups, features and time."""
