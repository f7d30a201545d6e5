// SPDX-License-Identifier: MIT
// Every limit, as in client/core/limits.h and worker/PROTOCOL.md.

export const NAME_LEN = 128; // names and ids
export const PAYLOAD_BYTES_MAX = 1024 * 1024; // a task's JSON
export const RESULT_BYTES_MAX = 256 * 1024; // a run's result
export const OUTPUT_BYTES_MAX = 64 * 1024; // a run's output
export const ERROR_BYTES_MAX = 1000; // a run's error text
export const FRAME_BYTES_MAX = 4 * 1024 * 1024; // the JSON of a frame
export const JSON_DEPTH_MAX = 64; // arrays and objects within each other
export const DEPENDS_MAX = 1000; // parents of a task
export const TAGS_MAX = 16; // of a task
export const PARTS_MAX = 256; // over which a group is spread
export const BATCH_TASKS_MAX = 250; // tasks a call
export const BATCH_BYTES_MAX = 512 * 1024; // a call's arguments
export const CALL_DEADLINE_MS = 5000; // a reply later than that is unknown
