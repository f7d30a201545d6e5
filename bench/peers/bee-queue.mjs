// SPDX-License-Identifier: MIT
import {
  Count, address, go, load, payload, queueAll, sendAll, what,
} from './node_turn.mjs';

const BeeQueue = load('bee-queue');
const CHUNK = 500;
const CONCURRENCY = 200;
const options = {
  redis: { path: address },
  getEvents: false, // nobody waits for a job's end
  sendEvents: false,
  storeJobs: false,
  removeOnSuccess: true,
};

async function work() {
  const count = new Count();
  const queue = new BeeQueue('bench', options);
  await queue.ready();
  await go();
  queue.process(CONCURRENCY, async (job) => count.take(job.data[0]));
  await count.all;
  await queue.close();
}

async function produce() {
  const queue = new BeeQueue('bench', { ...options, isWorker: false });
  await queue.ready();
  if (what === 'send') {
    await sendAll((text) => queue.createJob([text]).save());
  } else {
    await queueAll(CHUNK, (n) => queue.saveAll(
      Array.from({ length: n }, () => queue.createJob([payload()]))));
  }
  await queue.close();
}

await (what === 'queue' || what === 'send' ? produce() : work());
