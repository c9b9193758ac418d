"""`fastkiq process --reload`: a supervisor that starts its worker process anew when the source changes.

Imported for `--reload` only: the worker's part is `link`, all else is the supervisor's.
"""
