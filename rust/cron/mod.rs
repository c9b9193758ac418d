//! Recurring jobs: `fastkiq:cron` and what belongs to it. See "Recurring jobs" in docs/internals.md.

pub mod expression;
