// SPDX-License-Identifier: MIT
// Stint for Node: `task` and `serve` for children of a worker, `Client` for who
// queues tasks.
export {task, serve} from './lib/child.js';
export {Client} from './lib/client.js';
export {Cancelled, NoRetry, Refused, Retry, StintError} from './lib/errors.js';
