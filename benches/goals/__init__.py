"""The goals of fastkiq's speed, each measured beside what it is compared with."""
