"""Shows that the wheel works for every Python that is there, with the newest and the oldest of its dependencies."""
