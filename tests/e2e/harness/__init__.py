"""What the end-to-end tests drive: the real server, its API, and the engine behind it. Standard library only."""
