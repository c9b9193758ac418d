// BullMQ: `app.js work CONCURRENCY` is the worker, `app.js enqueue|bulk KIND N` the command line, `app.js version`.
"use strict";
const { setTimeout: sleep } = require("node:timers/promises");
const IORedis = require("ioredis");
const { Queue, Worker } = require("bullmq");
const record = require("./record.js");

// COMPARE_QUEUES=12 means q0 to q11, each job on one of them by chance; else all is on `default`.
const QUEUES = Number(process.env.COMPARE_QUEUES ?? "1");
const NAMES = QUEUES > 1 ? Array.from({ length: QUEUES }, (_, number) => `q${number}`) : ["default"];

// Retries as its guide shows them; what is done is not kept, as nobody else keeps it.
const OPTIONS = { attempts: 3, backoff: { type: "exponential", delay: 1000 }, removeOnComplete: true, removeOnFail: 5000 };

const connect = (url) => new IORedis(url, { maxRetriesPerRequest: null });

function kinds(side) {
  const resting = (milliseconds) => async (number) => {
    record.began();
    await sleep(milliseconds);
    record.ended(number);
  };
  return {
    noop: async (_text, number, _options) => record.ran(number),
    sleep: resting(10),
    asleep: resting(50),
    middle: async (number) => {
      record.began();
      JSON.parse(await side.get("compare:doc"));
      record.ended(number);
    },
    wake: async (sent) => record.append(record.now() - BigInt(sent)),
    slow: async (number) => {
      record.append(number);
      await sleep(200);
      record.append(-number);
    },
  };
}

function work(concurrency) {
  const connection = connect(process.env.COMPARE_REDIS_URL);
  const perform = kinds(connect(process.env.COMPARE_SIDE_URL));
  const workers = NAMES.map((name) => {
    const worker = new Worker(name, (job) => perform[job.name](...job.data), { connection, concurrency });
    return worker.on("error", (error) => console.error(error));
  });
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.once(signal, async () => {
      await Promise.all(workers.map((worker) => worker.close()));
      process.exit(0);
    });
  }
}

const row = (kind, number) => (kind === "noop" ? ["string", number, { mike: "bob" }] : [number]);

async function enqueue(how, kind, jobs) {
  const connection = connect(process.env.COMPARE_REDIS_URL);
  const queues = NAMES.map((name) => new Queue(name, { connection, defaultJobOptions: OPTIONS }));
  const any = () => queues[Math.floor(Math.random() * queues.length)];
  await Promise.all(queues.map((queue) => queue.waitUntilReady()));
  const start = record.now();
  if (how === "bulk") {
    for (let number = 1; number <= jobs; number += 1000) {
      const size = Math.min(1000, jobs - number + 1);
      await any().addBulk(Array.from({ length: size }, (_, i) => ({ name: kind, data: row(kind, number + i) })));
    }
  } else {
    for (let number = 1; number <= jobs; number += 1) {
      if (kind === "wake") await sleep(5 + 25 * Math.random());
      await any().add(kind, kind === "wake" ? [String(record.now())] : row(kind, number));
    }
  }
  console.log(JSON.stringify({ seconds: Number(record.now() - start) / 1e9, jobs }));
  await Promise.all(queues.map((queue) => queue.close()));
  connection.disconnect();
}

function version() {
  const of = (name) => `${name} ${require(`${name}/package.json`).version}`;
  console.log(`${of("bullmq")}, ${of("ioredis")}, Node ${process.versions.node}`);
}

const [how, first, second] = process.argv.slice(2);
if (how === "version") version();
else if (how === "work") work(Number(first));
else enqueue(how, first, Number(second));
