"""`fastkiq top`: the pages of the web UI in a terminal, live. Needs textual (extra `tui`)."""
