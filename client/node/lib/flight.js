// SPDX-License-Identifier: MIT
// Tasks go out in batches, some of them in flight (client/lib/flight.c). A
// window is a stretch of the tasks, dealt out to the parts of their groups; it
// has to be in Redis before the next one starts. A batch whose answer got lost
// is sent again and says so: what is there already with equal content is then
// its own work. A batch that went by a wrong number of parts wrote nothing; its
// tasks are dealt out anew.
import {mayRetry, pause} from './caller.js';
import {Refused, StintError} from './errors.js';
import {BATCH_BYTES_MAX, BATCH_TASKS_MAX} from './limits.js';
import {parentPlace, parentsAreFar} from './parents.js';

const FLIGHT_MAX = 4; // full batches in flight
const WINDOW_MAX = 8192; // tasks in flight to several groups or parts
const TASK_BYTES = 1000; // of a task besides its text, at most
const NEWS_MAX = 8; // new numbers of parts heard before we take a rest

function bytesOf(task) {
    return task.bytes + TASK_BYTES +
        task.depends.reduce((sum, ref) => sum + ref.length + 12, 0);
}

// How many tasks from `from` on may be under way at once. One whose parents are
// elsewhere goes when these are there.
function windowSize(groups, tasks, from) {
    const first = tasks[from];
    let bytes = 0, most = FLIGHT_MAX * BATCH_TASKS_MAX, n = 0;
    for (; n < WINDOW_MAX && from + n < tasks.length; n++) {
        const task = tasks[from + n];
        bytes += bytesOf(task);
        if (groups.partsOf(task.group) > 1 || task.group !== first.group)
            most = WINDOW_MAX;
        if (n > 0 && (n >= most || bytes > FLIGHT_MAX * BATCH_BYTES_MAX ||
            (task.generation > first.generation &&
             parentsAreFar(groups, task))))
            break;
    }
    return n;
}

// Deals out tasks to batches: [{group, base, parts, isAgain, tasks}].
function deal(groups, tasks, unknown) {
    const batches = [], open = new Map();
    for (const task of tasks) {
        const base = groups.route(task.group, task.id);
        const bytes = bytesOf(task), isAgain = unknown.has(task);
        let batch = open.get(base);
        if (batch === undefined || batch.isAgain !== isAgain ||
            batch.tasks.length === BATCH_TASKS_MAX ||
            batch.bytes + bytes > BATCH_BYTES_MAX) {
            batch = {group: task.group, base, isAgain,
                     parts: groups.partsOf(task.group), tasks: [], bytes: 0};
            open.set(base, batch);
            batches.push(batch);
        }
        batch.tasks.push(task);
        batch.bytes += bytes;
    }
    return batches;
}

function rulesOf(groups, task) {
    const after = task.depends.map((ref) => `after=${parentPlace(groups,
                                                                 ref)}`);
    return [task.rules, ...after].filter((rule) => rule !== '').join(' ');
}

async function batchSend(caller, groups, batch) {
    const args = [`${batch.isAgain ? 1 : 0}${
        batch.parts > 1 ? ` ${batch.parts}` : ''}`];
    for (const task of batch.tasks)
        args.push(task.id, task.function, task.start, task.stop,
                  rulesOf(groups, task), task.text);
    const losses = caller.connection.losses;
    const reply = await caller.once('queue_task', batch.base, args);
    if (reply.length >= 5 && !batch.isAgain &&
        caller.connection.losses !== losses)
        throw new StintError('UNKNOWN', 'the connection was lost: it may ' +
                             'have been sent twice');
    return reply;
}

// The refused ones of a batch; nothing of it is there then.
function batchRefusal(batch, reply) {
    const first = batch.tasks[Number(reply[1])];
    const errors = {};
    for (let i = 1; i + 3 < reply.length; i += 4)
        if (batch.tasks[Number(reply[i])] === first)
            errors[reply[i + 2]] = reply[i + 3];
    return new Refused(reply[2], errors, first.index, first.id);
}

// Until all of a window is in Redis, or the time is up.
async function windowQueue(caller, groups, tasks, onDone) {
    const unknown = new Set();
    let left = tasks, tries = 0, news = 0;
    let until = performance.now() + caller.timeoutMs;
    while (left.length > 0) {
        for (const group of new Set(left.map((task) => task.group)))
            await groups.register(group);
        const batches = deal(groups, left, unknown);
        const answers = await Promise.allSettled(batches.map((batch) =>
            batchSend(caller, groups, batch)));
        const there = new Set();
        let why = null, fault = null;
        for (const [i, {value: reply, reason}] of answers.entries()) {
            const batch = batches[i];
            if (reply !== undefined && reply.length < 5) {
                batch.tasks.forEach((task) => there.add(task));
            } else if (reply !== undefined) {
                fault ??= batchRefusal(batch, reply);
            } else if (reason.code === 'PARTS') {
                why = await reroute(groups, batch, reason) ?? why;
            } else if (mayRetry(reason)) {
                batch.tasks.forEach((task) => unknown.add(task));
                why = reason;
            } else {
                fault ??= reason;
            }
        }
        left = left.filter((task) => !there.has(task));
        onDone(there.size);
        if (fault !== null)
            throw fault;
        if (there.size > 0) { // it goes on
            until = performance.now() + caller.timeoutMs;
            tries = news = 0;
        }
        if (left.length === 0 ||
            (why === null && (there.size > 0 || ++news < NEWS_MAX)))
            continue;
        if (!await pause(++tries, until))
            throw why ?? new StintError('BUSY',
                                        'the group\'s parts keep changing');
    }
}

// It went by a wrong number of parts. What it returns is the reason to wait.
async function reroute(groups, batch, refusal) {
    const parts = Number(/ (\d+)/.exec(refusal.message)?.[1] ?? 0);
    if (parts > 0) {
        groups.learn(batch.group, parts, true);
        return null;
    }
    await groups.refresh(batch.group);
    return new StintError('BUSY', `the parts of group ${batch.group} are ` +
        'being changed; if that does not end, run stint group again');
}

// Queues all of them, parents before their children. onProgress(done, all).
export async function flightQueue(caller, groups, tasks, onProgress) {
    let done = 0;
    for (let from = 0, n; from < tasks.length; from += n) {
        n = windowSize(groups, tasks, from);
        await windowQueue(caller, groups, tasks.slice(from, from + n),
                          (more) => {
                              done += more;
                              if (more > 0)
                                  onProgress?.(done, tasks.length);
                          });
    }
}
