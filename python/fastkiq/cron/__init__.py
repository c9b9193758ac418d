"""Recurring jobs: what they are, where they are declared, and what a process hands to its core."""
