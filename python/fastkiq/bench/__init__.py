"""Measures this machine's fastkiq: what `fastkiq bench` does, and a proxy that makes a network out of the loopback."""
