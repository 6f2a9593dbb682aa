"""Waiting for a condition with a deadline, never for luck."""
import time


def until(condition, what, timeout=30, step=0.05):
    """Returns the first truthy value of `condition()`. Raises after `timeout` seconds with `what` and the last value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what} (last: {value!r})")
        time.sleep(step)
