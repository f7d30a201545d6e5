// SPDX-License-Identifier: MIT
// What the peers on Node.js share: arguments, payload, counting, the answer.
// The words between the programs are described in turns.py.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const PAYLOAD_CHARS = 96; // 100 bytes as ["..."]

// Packages are where bench/compare has installed them.
export const load = createRequire(process.env.STINT_BENCH_NPM + '/');

export const [address, what] = process.argv.slice(2, 4);
export const tasks = Number(process.argv[4]);
const rate = Number(process.argv[5] || 0);

export const now = () => process.hrtime.bigint();
const seconds = (from, to) => Number(to - from) / 1e9;

export function payload(stamp) {
  const digits = stamp === undefined ? '' : String(stamp).padStart(20, '0');
  return digits.padEnd(PAYLOAD_CHARS, 'x');
}

export function answer(object) {
  process.stdout.write(JSON.stringify(object) + '\n');
}

// Queues all, `chunk` tasks a call.
export async function queueAll(chunk, queueSome) {
  const from = now();
  for (let queued = 0; queued < tasks; queued += chunk) {
    await queueSome(Math.min(chunk, tasks - queued));
  }
  answer({ tasks, seconds: seconds(from, now()) });
}

// Sleeps in the kernel: timers of the event loop have whole milliseconds.
const cell = new Int32Array(new SharedArrayBuffer(4));
function sleepUntil(at) {
  const left = at - now();
  if (left > 0n) Atomics.wait(cell, 0, 0, Number(left) / 1e6);
}

export async function sendAll(sendOne) {
  const step = BigInt(Math.round(1e9 / rate));
  const from = now() + 200_000_000n;
  for (let i = 0; i < tasks; i++) {
    const at = from + BigInt(i) * step;
    sleepUntil(at);
    await sendOne(payload(at));
  }
  answer({ tasks, seconds: seconds(from, now()) });
}

export async function go() {
  const lines = createInterface({ input: process.stdin });
  process.stdout.write('ready\n');
  await new Promise((resolve) => lines.once('line', resolve));
  lines.close();
}

// The handler's part: take() for each task, `all` resolves after the last.
export class Count {
  n = 0;
  late = [];

  constructor() {
    this.all = new Promise((resolve) => (this.resolve = resolve));
  }

  take(text) {
    const at = now();
    if (this.n === 0) this.from = at;
    if (what === 'listen') {
      this.late.push(Number(at - BigInt(text.slice(0, 20))) / 1e6);
    }
    if (++this.n === tasks) {
      answer({
        tasks, seconds: seconds(this.from, now()), late_ms: this.late,
      });
      this.resolve();
    }
  }
}
