//! As much of Redis as the fetcher and the waiters use. Its commands run when their answer is asked for, or when the connection breaks,
//! or then never: what lies between is a command's way.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};

use shuttle::rand::Rng;

use crate::lua::{ACK, CLAIM, GIVE_BACK, SETTLE};
use crate::resp::{Reply, Scanner, decode};
use crate::sync::{Condvar, Mutex, MutexGuard};

thread_local!(static REDIS: RefCell<Option<Arc<Redis>>> = const { RefCell::new(None) });

/// A new and empty one for this run of the model.
pub fn reset() {
    REDIS.set(None);
}

/// The one of this run.
pub fn redis() -> Arc<Redis> {
    REDIS.with_borrow_mut(|redis| redis.get_or_insert_default().clone())
}

#[derive(Default)]
pub struct Redis {
    data: Mutex<Data>,
    answered: Condvar,
}

#[derive(Default)]
pub struct Data {
    pub alive: BTreeSet<Vec<u8>>,
    /// The front, where jobs are taken, is the right end.
    pub queue: VecDeque<Vec<u8>>,
    pub flights: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    sets: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
    /// Jobs that were acked or moved away, once for each time.
    pub ended: Vec<Vec<u8>>,
    clients: Vec<Client>,
    /// Clients inside a blocking command, first come first.
    blocked: Vec<usize>,
}

#[derive(Default)]
struct Client {
    asked: VecDeque<Vec<Vec<u8>>>,
    answers: VecDeque<u8>,
    closed: bool,
}

impl Redis {
    pub fn lock(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, job: Vec<u8>) {
        let mut data = self.lock();
        data.queue.push_front(job);
        data.serve();
        self.answered.notify_all();
    }

    /// Waits until `count` jobs were acked or moved away.
    pub fn until_ended(&self, count: usize) {
        let data = self.lock();
        drop(self.answered.wait_while(data, |data| data.ended.len() < count).unwrap());
    }

    /// Another process declares `id` dead and takes what it held.
    pub fn bury(&self, id: &str) {
        let mut data = self.lock();
        data.alive.remove(id.as_bytes());
        let prefix = format!("fastkiq:flight:{id}:").into_bytes();
        let held: Vec<Vec<u8>> = data.flights.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        for key in held {
            let jobs = data.flights.remove(&key).unwrap();
            data.queue.extend(jobs);
        }
        data.serve();
        self.answered.notify_all();
    }

    pub fn connect(&self) -> usize {
        let mut data = self.lock();
        data.clients.push(Client::default());
        data.clients.len() - 1
    }

    pub fn close(&self, client: usize) {
        let mut data = self.lock();
        if !data.clients[client].closed {
            if shuttle::rand::thread_rng().r#gen() {
                data.run(client);
            }
            data.clients[client].closed = true;
            data.blocked.retain(|blocked| *blocked != client);
        }
        self.answered.notify_all();
    }

    /// False when the connection is closed.
    pub fn write(&self, client: usize, bytes: &[u8]) -> bool {
        let mut data = self.lock();
        if data.clients[client].closed {
            return false;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = Scanner::new().advance(rest).unwrap().unwrap();
            let words = decode(&rest[..length]).unwrap().array().unwrap();
            data.clients[client].asked.push_back(words.into_iter().map(|word| word.bytes().unwrap()).collect());
            rest = &rest[length..];
        }
        true
    }

    /// Waits for bytes; 0 when the connection is closed.
    pub fn read(&self, client: usize, buffer: &mut [u8]) -> usize {
        let mut data = self.lock();
        loop {
            data.run(client);
            self.answered.notify_all();
            let answers = &mut data.clients[client].answers;
            if !answers.is_empty() {
                let count = answers.len().min(buffer.len());
                answers.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
                return count;
            }
            if data.clients[client].closed {
                return 0;
            }
            data = self.answered.wait(data).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Data {
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    pub fn in_flight(&self) -> Vec<Vec<u8>> {
        self.flights.values().flatten().cloned().collect()
    }

    /// What this client has asked for, up to a command that blocks it.
    fn run(&mut self, client: usize) {
        while !self.blocked.contains(&client) && !self.clients[client].closed {
            let Some(words) = self.clients[client].asked.pop_front() else { return };
            let Some(reply) = self.command(client, &words) else {
                self.clients[client].asked.push_front(words);
                self.blocked.push(client);
                return;
            };
            encode(&reply, &mut self.clients[client].answers);
        }
    }

    /// Hands jobs to the clients that wait for one.
    fn serve(&mut self) {
        while !self.queue.is_empty() && !self.blocked.is_empty() {
            let client = self.blocked.remove(0);
            self.run(client);
        }
    }

    /// None: it blocks.
    fn command(&mut self, client: usize, words: &[Vec<u8>]) -> Option<Reply> {
        let text: Vec<&str> = words.iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
        Some(match text[..] {
            ["BLMOVE", _, flight, ..] => {
                let job = self.queue.pop_back()?;
                self.flights.entry(flight.into()).or_default().push(job.clone());
                Reply::Bulk(job)
            }
            ["BRPOP", queue, ..] => Reply::Array(vec![Reply::Bulk(queue.into()), Reply::Bulk(self.queue.pop_back()?)]),
            ["RPOP", _, most] => {
                let jobs: Vec<Reply> = self.pop(most.parse().unwrap()).into_iter().map(Reply::Bulk).collect();
                if jobs.is_empty() { Reply::Nil } else { Reply::Array(jobs) }
            }
            ["CLIENT", "ID"] => Reply::Int(i64::try_from(client).unwrap() + 1),
            ["CLIENT", "UNBLOCK", id] => self.unblock(id.parse::<usize>().unwrap() - 1),
            ["CLIENT", "KILL", "ID", id] => {
                let client = id.parse::<usize>().unwrap() - 1;
                self.clients[client].closed = true;
                self.blocked.retain(|blocked| *blocked != client);
                Reply::Int(1)
            }
            ["INFO", ..] => Reply::Bulk(b"run_id:model\r\n".to_vec()),
            ["EXISTS", ..] => Reply::Int(0),
            ["SMEMBERS", key] => bulks(self.sets.get(key.as_bytes()).into_iter().flatten()),
            ["LRANGE", key, ..] => bulks(self.flights.get(key.as_bytes()).into_iter().flatten()),
            ["EVALSHA", sha, keys, ..] => {
                let (keys, args) = words[3..].split_at(keys.parse().unwrap());
                self.script(sha, keys, args)
            }
            _ => Reply::Status("OK".into()),
        })
    }

    fn unblock(&mut self, client: usize) -> Reply {
        let Some(at) = self.blocked.iter().position(|blocked| *blocked == client) else { return Reply::Int(0) };
        self.blocked.remove(at);
        self.clients[client].asked.pop_front();
        encode(&Reply::Nil, &mut self.clients[client].answers);
        Reply::Int(1)
    }

    fn pop(&mut self, most: usize) -> Vec<Vec<u8>> {
        (0..most).map_while(|_| self.queue.pop_back()).collect()
    }

    fn take(&mut self, flight: &[u8], job: &[u8]) -> bool {
        let Some(jobs) = self.flights.get_mut(flight) else { return false };
        let Some(at) = jobs.iter().position(|other| other == job) else { return false };
        jobs.remove(at);
        if jobs.is_empty() {
            self.flights.remove(flight);
        }
        true
    }

    /// The script of that digest, for one queue.
    fn script(&mut self, sha: &str, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        let number = |at: usize| std::str::from_utf8(&args[at]).unwrap().parse::<i64>().unwrap();
        if sha == CLAIM.sha() {
            if !self.alive.contains(&args[0]) {
                return Reply::Status("FENCED".into());
            }
            let jobs = self.pop(usize::try_from(number(4)).unwrap());
            if jobs.is_empty() {
                return Reply::Array(vec![Reply::Int(0)]);
            }
            self.sets.entry(keys[3].clone()).or_default().insert(args[3].clone());
            self.flights.insert(keys[5].clone(), jobs.clone());
            let batch = [Reply::Int(0)].into_iter().chain(jobs.into_iter().map(Reply::Bulk)).collect();
            return Reply::Array(vec![Reply::Int(0), Reply::Array(batch)]);
        }
        if sha == ACK.sha() {
            let mut at = 3;
            for flight in &keys[4..] {
                let (member, count) = (&args[at], number(at + 1));
                at += 2;
                if let Ok(count) = usize::try_from(count) {
                    for job in &args[at..at + count] {
                        if self.take(flight, job) {
                            self.ended.push(job.clone());
                        }
                    }
                    at += count;
                } else {
                    self.ended.extend(self.flights.remove(flight).unwrap_or_default());
                    self.sets.entry(keys[3].clone()).or_default().remove(member);
                }
            }
            return Reply::Int(1);
        }
        if sha == SETTLE.sha() {
            let found = args[9] == b"1" || self.take(&keys[0], &args[0]);
            if found {
                self.ended.push(args[0].clone());
            }
            return Reply::Int(i64::from(found));
        }
        assert_eq!(sha, GIVE_BACK.sha());
        for job in args[4..].iter().step_by(2) {
            if args[3] == b"1" || self.take(&keys[0], job) {
                self.queue.push_back(job.clone());
            }
        }
        self.serve();
        Reply::Int(1)
    }
}

fn bulks<'a>(items: impl Iterator<Item = &'a Vec<u8>>) -> Reply {
    Reply::Array(items.cloned().map(Reply::Bulk).collect())
}

fn encode(reply: &Reply, out: &mut VecDeque<u8>) {
    match reply {
        Reply::Nil => out.extend(b"$-1\r\n"),
        Reply::Status(text) => out.extend(format!("+{text}\r\n").bytes()),
        Reply::Int(number) => out.extend(format!(":{number}\r\n").bytes()),
        Reply::Bulk(bytes) => {
            out.extend(format!("${}\r\n", bytes.len()).bytes());
            out.extend(bytes);
            out.extend(b"\r\n");
        }
        Reply::Array(items) => {
            out.extend(format!("*{}\r\n", items.len()).bytes());
            for item in items {
                encode(item, out);
            }
        }
        Reply::Error { code, message } => out.extend(format!("-{code} {message}\r\n").bytes()),
    }
}
