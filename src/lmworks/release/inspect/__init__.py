"""What each step did to the data, shown to people, and what they said of it."""
