"""The form of times in payloads: whole milliseconds since Sidekiq 8, float seconds before."""


def stamp(seconds: float, compat: str | None) -> int | float:
    """Epoch seconds as a payload keeps them; `compat` is the setting."""
    milliseconds = int(seconds * 1000)
    return milliseconds if compat is None else milliseconds / 1000
