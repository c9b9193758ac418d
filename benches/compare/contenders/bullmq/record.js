// What the jobs tell of themselves: apps/record.py for Node, same modes, same formats. All jobs share one thread.
"use strict";
const fs = require("node:fs");

const PATH = process.env.COMPARE_RECORD ?? "";
const JOBS = Number(process.env.COMPARE_JOBS ?? "0");
const COUNTING = process.env.COMPARE_MODE === "count";

let descriptor = -1;
let begun = 0;
let done = 0;
let first = 0n;

/** CLOCK_MONOTONIC in nanoseconds. */
const now = () => process.hrtime.bigint();

/** One entry of 16 bytes, whatever the mode. */
function append(value) {
  const entry = Buffer.alloc(16);
  entry.writeBigInt64LE(now(), 0);
  entry.writeBigInt64LE(BigInt(value), 8);
  if (descriptor < 0) descriptor = fs.openSync(PATH, "a");
  fs.writeSync(descriptor, entry);
}

function began() {
  if (!COUNTING) return append(0);
  begun += 1;
  if (begun > 1) return;
  first = now();
  fs.writeFileSync(`${PATH}.first`, "");
}

function ended(number) {
  if (!COUNTING) return append(number);
  done += 1;
  if (done !== JOBS) return;
  fs.writeFileSync(`${PATH}.new`, `{"first": ${first}, "last": ${now()}, "jobs": ${JOBS}}`);
  fs.renameSync(`${PATH}.new`, PATH);
}

/** A job that does nothing else. */
function ran(number) {
  if (COUNTING) began();
  ended(number);
}

module.exports = { now, append, began, ended, ran };
