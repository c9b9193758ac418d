"""Sentry: `sentry_sdk.init(integrations=[FastkiqIntegration()])` reports errors of jobs, and traces them.

How it is used, and what is sent: docs/sentry.md.
"""

from fastkiq.contrib.sentry.integration import FastkiqIntegration

__all__ = ["FastkiqIntegration"]
