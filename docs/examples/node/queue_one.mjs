// SPDX-License-Identifier: MIT
// Queues a task, waits for it and prints its result: queue_one.mjs FILE
import {Client} from 'stint';

const client = new Client(process.env.STINT_URL); // by redis, or else ioredis
const id = await client.queueTask('longest', [process.argv[2]], {timeout: 10});
const [status] = await client.wait([id], {timeout: 30});
const {result} = await client.taskStatus(id, {output: true});
console.log(status, JSON.stringify(result));
await client.close();
process.exitCode = status === 'COMPLETED' ? 0 : 1;
