// SPDX-License-Identifier: MIT
// Stint for Node: task and serve for children of a worker.
export {task, serve} from './lib/child.js';
export {Cancelled, NoRetry, Refused, Retry, StintError} from './lib/errors.js';
