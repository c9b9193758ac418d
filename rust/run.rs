//! What a run of a job counts as in Sidekiq's metrics.

use crate::outbox::Outcome;

/// What a run is to the metrics, decided with the job's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// No run, or none of a worker.
    None,
    /// Acked before it runs (`ack="start"`): the run itself comes yet.
    Begun,
    Failed,
    /// Counted when the thread or coroutine is through, with its time.
    Timed,
}

impl From<&Outcome> for Run {
    /// A snoozed run counts with its time, as one of Sidekiq's that interrupts itself to go on later.
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Retry { failed: true, .. }
            | Outcome::Drop { failed: true }
            | Outcome::Dead { .. }
            | Outcome::GiveBack { counted: true } => Self::Failed,
            Outcome::Drop { failed: false } => Self::Begun,
            Outcome::Schedule { .. } => Self::Timed,
            Outcome::Retry { failed: false, .. } | Outcome::Bad { .. } | Outcome::GiveBack { counted: false } => {
                Self::None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::When;

    #[test]
    fn each_end_counts_as_what_it_is() {
        let payload = Vec::new;
        let when = When::In(1.0);
        let runs = [
            (Outcome::Retry { payload: payload(), when, failed: true }, Run::Failed),
            (Outcome::Retry { payload: payload(), when, failed: false }, Run::None),
            (Outcome::Schedule { payload: payload(), when }, Run::Timed),
            (Outcome::Dead { payload: payload() }, Run::Failed),
            (Outcome::Drop { failed: true }, Run::Failed),
            (Outcome::Drop { failed: false }, Run::Begun),
            (Outcome::GiveBack { counted: true }, Run::Failed),
            (Outcome::GiveBack { counted: false }, Run::None),
            (Outcome::Bad { flaw: String::new() }, Run::None),
        ];
        for (outcome, run) in runs {
            assert_eq!(Run::from(&outcome), run, "{outcome:?}");
        }
    }
}
