//! What one write to Redis carries, and what is to be made of its replies when they are there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::claims::{self, Dice, Share};
use crate::flight::{Claim, Identity};
use crate::intake::byte_strings;
use crate::keys;
use crate::lua::{CLAIM, command, script_call};
use crate::resp::Reply;
use crate::scripts::Call;
use crate::shared::Core;
use crate::writer::Sent;

/// The most queues of one claim: those after them in the order keep their turn for the next one. A hundred would cost Redis and us more than the jobs
/// themselves.
const MOST_QUEUES: usize = 16;

/// On its way: the calls of the writer, then `CLIENT UNBLOCK`s, then a claim.
pub struct Trip {
    pub sent_us: u64,
    /// Nothing was under way when it left, so that its time tells how far Redis is.
    pub alone: bool,
    pub calls: Vec<Sent>,
    pub unblocks: usize,
    pub asking: Option<Asking>,
}

impl Trip {
    /// How many replies it brings.
    pub fn replies(&self) -> usize {
        self.calls.len() + self.unblocks + usize::from(self.asking.is_some())
    }

    /// Whether jobs of `queue` may come with it.
    pub fn asks(&self, queue: usize) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.asked.iter().any(|asked| asked.queue == queue))
    }

    /// How many jobs it may bring.
    pub fn coming(&self) -> usize {
        self.asking.as_ref().map_or(0, |asking| asking.room)
    }
}

/// A claim that was asked for; with basic fetch a plain pop of one queue.
pub struct Asking {
    pub identity: Arc<Identity>,
    pub asked: Vec<Asked>,
    /// The most jobs of all queues together.
    pub room: usize,
}

impl Asking {
    /// Reads the answer: what each of the queues sent that had jobs.
    pub fn catches(&self, core: &Core, reply: Reply) -> Vec<Catch> {
        if !core.options.reliable {
            return self.popped(reply);
        }
        let (suspects, caught) = caught(reply, self.asked.len());
        let catch = |(place, payloads): (usize, Payloads)| {
            let asked = &self.asked[place];
            // Now, and not only when they are handed over: the next claim leaves before that, and of large ones it is to bring few.
            if let Some(first) = payloads.first() {
                core.measures.observe_size(asked.queue, first.len());
            }
            let name = core.options.queues.get(asked.queue).map_or("", |queue| &queue.name);
            let order = core.order.fetch_add(1, Ordering::Relaxed);
            let claim = Claim::new(&self.identity, asked.queue, name, asked.number, order, payloads.len());
            Catch { place, queue: asked.queue, claim: Some(Arc::new(claim)), payloads, suspects }
        };
        caught.into_iter().map(catch).collect()
    }

    fn popped(&self, reply: Reply) -> Vec<Catch> {
        let payloads = byte_strings(reply.array().unwrap_or_default());
        let first = self.asked.first().filter(|_| !payloads.is_empty());
        first
            .map(|first| Catch { place: 0, queue: first.queue, claim: None, payloads, suspects: false })
            .into_iter()
            .collect()
    }
}

/// One queue's part of a claim: its list is called by the number.
pub struct Asked {
    pub queue: usize,
    pub most: usize,
    pub number: u64,
}

pub type Payloads = Vec<Vec<u8>>;

/// What a claim brought from one queue, as it came.
pub struct Catch {
    /// Of the queue among those asked.
    pub place: usize,
    pub queue: usize,
    /// None with basic fetch.
    pub claim: Option<Arc<Claim>>,
    pub payloads: Payloads,
    /// Some job in Redis is suspect: the marks of these are to be read first.
    pub suspects: bool,
}

/// Reads the answer to a claim of `asked` queues: whether some job in Redis is suspect, and for each queue that sent jobs its place
/// among those asked, and the jobs.
pub fn caught(reply: Reply, asked: usize) -> (bool, Vec<(usize, Payloads)>) {
    let mut batches = reply.array().unwrap_or_default().into_iter();
    let suspects = batches.next().is_some_and(|reply| reply.as_int() != Some(0));
    let mut caught = Vec::with_capacity(batches.len());
    for batch in batches {
        let mut items = batch.array().unwrap_or_default().into_iter();
        let index = items.next().and_then(|index| index.as_int()).and_then(|index| usize::try_from(index).ok());
        if let Some(index) = index.filter(|index| *index < asked) {
            caught.push((index, byte_strings(items)));
        }
    }
    (suspects, caught)
}

/// The call that claims from queues which have room, in the order of their turn.
pub fn ask(core: &Core, identity: &Arc<Identity>, shares: &[Share], dice: &mut Dice) -> (Call, Asking) {
    let weight = |share: &Share| core.options.queues.get(share.queue).map_or(0, |queue| queue.weight);
    let weights: Vec<u32> = shares.iter().map(weight).collect();
    let order: Vec<usize> = claims::order(&weights, dice).into_iter().take(MOST_QUEUES).collect();
    if !core.options.reliable {
        return pop(core, identity, order.first().and_then(|at| shares.get(*at)));
    }
    let (shares, weights): (Vec<Share>, Vec<u32>) = order.iter().map(|at| (shares[*at], weights[*at])).unzip();
    let room = shares.iter().map(|share| share.most).max().unwrap_or(0);
    let mut all =
        vec![keys::ALIVE.to_vec(), keys::PAUSED.to_vec(), keys::SUSPECTS.to_vec(), keys::flights(&identity.name)];
    let mut args = vec![
        identity.name.clone().into_bytes(),
        room.to_string().into_bytes(),
        keys::MOST_BYTES.to_string().into_bytes(),
    ];
    let mut asked = Vec::with_capacity(shares.len());
    let bounds: Vec<usize> = shares.iter().map(|share| share.most).collect();
    let parts = if core.options.weighted() { claims::apportion(&bounds, &weights, dice) } else { bounds };
    for (at, share) in shares.iter().enumerate() {
        let Some(queue) = core.options.queues.get(share.queue) else { continue };
        let number = core.claims.fetch_add(1, Ordering::Relaxed) + 1;
        all.push(keys::queue(&queue.name));
        all.push(keys::flight(&identity.name, &queue.name, number));
        args.push(keys::flight_member(&queue.name, number).into_bytes());
        args.push(parts[at].to_string().into_bytes());
        asked.push(Asked { queue: share.queue, most: parts[at], number });
    }
    (script_call(&CLAIM, all, args), Asking { identity: identity.clone(), asked, room })
}

/// Basic fetch: as many of one queue as threads are free for. What waits for its answer, or for its thread, is lost with the process.
fn pop(core: &Core, identity: &Arc<Identity>, share: Option<&Share>) -> (Call, Asking) {
    let (queue, most) = share.map_or((0, 1), |share| (share.queue, share.most));
    let key = core.options.queues.get(queue).map_or_else(Vec::new, |queue| keys::queue(&queue.name));
    let call = command(&[b"RPOP", &key, most.to_string().as_bytes()]);
    let asked = vec![Asked { queue, most, number: 0 }];
    (call, Asking { identity: identity.clone(), asked, room: most })
}
