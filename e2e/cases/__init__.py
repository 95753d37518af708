"""The cases, by subject. Each is a function with a docstring whose first line says what it proves."""
