"""What the end-to-end cases share: the server under test, its peers as processes, sources, checkers."""
