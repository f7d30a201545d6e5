// SPDX-License-Identifier: MIT
import {
  Count, address, go, load, payload, queueAll, sendAll, tasks, what,
} from './node_turn.mjs';

const { Queue, Worker } = load('bullmq');
const connection = { path: address, maxRetriesPerRequest: null };
const options = { removeOnComplete: true, removeOnFail: true };
const CHUNK = 250;
const CONCURRENCY = 200;

async function work() {
  const count = new Count();
  const worker = new Worker(
    'bench', async (job) => count.take(job.data[0]),
    { connection, concurrency: CONCURRENCY, autorun: false, ...options });
  await worker.waitUntilReady();
  await go();
  worker.run();
  await count.all;
  await worker.close();
}

async function produce() {
  const queue = new Queue('bench',
    { connection, defaultJobOptions: options });
  await queue.waitUntilReady();
  if (what === 'send') {
    await sendAll((text) => queue.add('noop', [text]));
  } else {
    await queueAll(CHUNK, (n) => queue.addBulk(
      Array.from({ length: n }, () => ({ name: 'noop', data: [payload()] }))));
  }
  await queue.close();
}

await (what === 'queue' || what === 'send' ? produce() : work());
