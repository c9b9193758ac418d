//! A job is settled once, whoever tries, and what was decided is in the box.

use std::sync::Arc;

use super::{claimed, core, payload};
use crate::flight::Job;
use crate::outbox::Outcome;
use crate::shared::Core;
use crate::sync::thread;

#[test]
fn a_job_is_settled_once() {
    super::check("a_job_is_settled_once", || {
        let core = core(1, true);
        let job = claimed(&core, 1, vec![payload("C", 0)]).remove(0);
        let settle = |settle: fn(&Core, &Arc<Job>) -> bool| {
            let (core, job) = (core.clone(), job.clone());
            thread::spawn(move || settle(&core, &job))
        };
        let tries = [
            settle(Core::ack),
            settle(|core, job| core.settle(job, Outcome::GiveBack { counted: true })),
            settle(|core, job| core.settle(job, Outcome::Drop { failed: true })),
        ];
        let (mut acks, mut others) = core.outbox.take();
        let won = tries.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>();
        let (more_acks, more_others) = core.outbox.take();
        acks.extend(more_acks);
        others.extend(more_others);
        assert_eq!((won, acks.len() + others.len()), (1, 1));
        assert!(core.outbox.is_empty());
    });
}
