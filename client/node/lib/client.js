// SPDX-License-Identifier: MIT
// A client: queues tasks, asks what became of them, and changes them, straight
// through Redis.
import {randomBytes} from 'node:crypto';
import {setTimeout as sleep} from 'node:timers/promises';

import {Caller, replyMs} from './caller.js';
import {Connection} from './connection.js';
import {durabilityCheck, durabilityMost, durabilityWait} from './durability.js';
import {StintError} from './errors.js';
import {isGroup} from './fields.js';
import {flightQueue} from './flight.js';
import {Groups} from './groups.js';
import {jsonRead} from './json.js';
import {BATCH_TASKS_MAX} from './limits.js';
import {deliver, parentsAreFar, parentsOrder} from './parents.js';
import {partName, partOfId} from './parts.js';
import {hasEnded, isThere, partIds, partRun, stateRead, statusFull,
        statusMake} from './status.js';
import {cronStart, taskMake} from './task.js';
import {timeWrite} from './time.js';

const LIST_STEP = 200; // tasks a call
const STATUSES = ['QUEUED', 'ASSIGNED', 'RUNNING', 'COMPLETED', 'FAILED',
                  'TIMEOUT', 'STOPPED', 'EXPIRED'];
// The counts of a group in the order of stats.lua's reply.
const WORKER_COUNTS = ['reconnects', 'leases_lost', 'outbox', 'calls',
    'calls_us', 'reaped', 'reaper_calls', 'rss_kb'];
const COUNTS = ['queued', 'unknown', 'disabled', 'assigned', 'running', 'due',
                'completed', 'failed', 'timeout', 'stopped', 'expired',
                'retained'];

function* slices(list, size) {
    for (let at = 0; at < list.length; at += size)
        yield list.slice(at, at + size);
}

function notFound(id) {
    return new StintError('NOTFOUND', `there is no task ${id}`);
}

export class Client {
    #connection;
    #caller;
    #groups;

    // A connected client of redis or ioredis, or a URL; STINT_URL without
    // either. namespace: the start of all keys; timeout: seconds until a call
    // is given up.
    constructor(given = process.env.STINT_URL,
                {namespace = 'stint', timeout = 10} = {}) {
        if (given === undefined)
            throw new StintError('INVALID', 'Client: a connected client of ' +
                'redis or ioredis is wanted, or a URL, or STINT_URL');
        if (typeof namespace !== 'string' || !isGroup(namespace))
            throw new StintError('INVALID', 'the namespace must be 1 to 128 ' +
                                 'of A-Za-z0-9_.-');
        this.#connection = new Connection(given);
        this.#caller = new Caller(this.#connection, namespace, timeout * 1000);
        this.#groups = new Groups(this.#caller);
    }

    // Closes the connection, if it was opened here.
    close() {
        return this.#connection.close();
    }

    // ---- Queueing -----------------------------------------------------------

    // Queues a task; its id. options: section "queue_task" of the README, by
    // their names in JSON. Throws Refused.
    async queueTask(fn, args, options = {}) {
        const task = {...options, function: fn};
        if (args !== undefined)
            task.args = args;
        const [id] = await this.queueTasks([task]);
        return id;
    }

    // Queues many, in few calls; their ids, in the same order. Each is an
    // object of the options, with `function` and `args`. Nothing is queued if
    // one of them is wrong by itself. onProgress(queued, all).
    async queueTasks(list, {onProgress} = {}) {
        const given = Array.from(list, (options, i) => taskMake(options, i));
        const durability = durabilityMost(given);
        if (given.length === 0)
            return [];
        await durabilityCheck(this.#caller, durability);
        const tasks = await parentsOrder(this.#caller, this.#groups, given);
        await this.#cronStart(tasks);
        let queued = 0;
        try {
            await flightQueue(this.#caller, this.#groups, tasks, (n, all) => {
                queued = n;
                onProgress?.(n, all);
            });
        } finally {
            if (queued > 0)
                await this.#nudge(tasks);
        }
        await durabilityWait(this.#caller, durability, given[0].group);
        return given.map((task) => task.id);
    }

    async #cronStart(tasks) {
        const crons = tasks.filter((task) => task.cron !== null);
        if (crons.length === 0)
            return;
        const nowMs = replyMs(await this.#caller.call('fleet_list', null,
                                                      ['0']));
        for (const task of crons)
            cronStart(task, nowMs);
    }

    // Broadcasts are fired, and other groups told of children, at once; what
    // goes wrong here is done by a reaper a little later.
    async #nudge(tasks) {
        const fired = new Set(), told = new Set();
        for (const task of tasks) {
            const part = this.#groups.route(task.group, task.id);
            if (task.isBroadcast)
                fired.add(part);
            if (task.depends.length > 0 && parentsAreFar(this.#groups, task))
                told.add(part);
        }
        try {
            for (const part of fired)
                await this.#caller.call('fire', part, ['10']);
            for (const part of told)
                await deliver(this.#caller, part);
        } catch (err) {
            if (!(err instanceof StintError))
                throw err;
        }
    }

    // ---- Looking ------------------------------------------------------------

    // The part of a group that the task is in; group undefined: it is looked
    // for in all.
    async #locate(group, id) {
        if (typeof id !== 'string' || id === '')
            throw new TypeError('the id of a task is wanted');
        if (group !== undefined) {
            if (typeof group !== 'string' || !isGroup(group))
                throw notFound(id);
            return this.#groups.route(group, id);
        }
        for (const name of await this.#groups.all()) {
            const part = this.#groups.route(name, id);
            const reply = await this.#caller.call('task_status', part,
                                                  ['1', id]);
            if (isThere(reply[2]))
                return part;
        }
        throw notFound(id);
    }

    async #look(id, options) {
        const part = await this.#locate(options.group_name, id);
        const reply = await this.#caller.call('task_status', part, ['3', id]);
        if (!isThere(reply[2]))
            throw notFound(id);
        const st = stateRead(reply[1], reply[3]);
        const parts = [];
        if (options.runs)
            for (const ids of slices(partIds(id, st), BATCH_TASKS_MAX)) {
                const more = await this.#caller.call('task_status', part,
                                                     ['2', ...ids]);
                ids.forEach((one, i) => parts.push(
                    partRun(one, more[1 + 5 * i], more[4 + 5 * i])));
            }
        return statusFull(id, part, st, reply.slice(1, 6),
                          parts.filter((run) => run !== null), options,
                          replyMs(reply));
    }

    // What `stint task-status ID --json` prints. output: with result, output
    // and error; runs: with all runs kept, newest first. Throws NOTFOUND.
    taskStatus(id, options = {}) {
        return this.#groups.lookTwice(options.group_name,
                                      () => this.#look(id, options));
    }

    // Waits until all have ended; their statuses, in the order of the ids. One
    // whose record is gone by then has null. timeout: seconds, then it throws
    // TIMEOUT.
    async wait(ids, {timeout = Infinity, group_name: group} = {}) {
        const all = typeof ids === 'string' ? [ids] : [...ids];
        const until = performance.now() + timeout * 1000;
        const where = new Map(); // id -> group
        const ended = new Map(); // id -> status
        const groups = await this.#groups.wanted(group);
        for (const name of groups)
            await this.#ask(name, all.filter((id) => !where.has(id)), where,
                            ended);
        const lost = all.find((id) => !where.has(id));
        if (lost !== undefined)
            throw notFound(lost);
        for (let ms = 5; ; ms = Math.min(ms * 1.5, 250)) {
            const open = all.filter((id) => !ended.has(id));
            if (open.length === 0)
                return all.map((id) => ended.get(id));
            const left = until - performance.now();
            if (left <= 0)
                throw new StintError('TIMEOUT', `${open.length} of ${
                    all.length} have not ended`);
            await sleep(Math.min(ms, left));
            for (const name of new Set(open.map((id) => where.get(id))))
                await this.#ask(name, open.filter((id) =>
                    where.get(id) === name), where, ended);
        }
    }

    // Notes which of the ids are in the group, and which have ended.
    async #ask(group, ids, where, ended) {
        const parts = this.#groups.partsOf(group);
        for (let part = 0; part < parts; part++) {
            const own = ids.filter((id) => partOfId(id, parts) === part);
            for (const some of slices(own, BATCH_TASKS_MAX)) {
                const reply = await this.#caller.call(
                    'task_status', partName(group, part), ['1', ...some]);
                some.forEach((id, i) => {
                    const [record, text] = reply.slice(1 + 5 * i);
                    if (text === '' && !where.has(id))
                        return;
                    where.set(id, group);
                    const {status} = stateRead(record);
                    if (!isThere(text) && !hasEnded(status))
                        ended.set(id, null);
                    else if (hasEnded(status))
                        ended.set(id, status);
                });
            }
        }
    }

    // The tasks that there are, as taskStatus has them without its options.
    // limit 0: all.
    async list({status, group_name: group, function: fn, limit = 100} = {}) {
        if (status !== undefined && !STATUSES.includes(status))
            throw new StintError('INVALID', `no such status: ${status}`);
        const found = [];
        const most = limit > 0 ? limit : Infinity;
        for (const name of [...await this.#groups.wanted(group)].sort())
            for (const part of this.#groups.partsNamed(name))
                for (let cursor = ''; found.length < most;) {
                    const reply = await this.#caller.call('list', part, [
                        status ?? '', fn ?? '', String(LIST_STEP), cursor]);
                    this.#listRead(found, part, reply);
                    cursor = reply[1];
                    if (cursor === '')
                        break;
                }
        return found.slice(0, most);
    }

    #listRead(found, part, reply) {
        for (let i = 2; i + 3 < reply.length; i += 4) {
            const [id, record, text, due] = reply.slice(i, i + 4);
            if (isThere(text))
                found.push(statusMake(id, part, stateRead(record, due), text,
                                      null, replyMs(reply)));
        }
    }

    // The counts of each group, or of one, as `stint stats --json` prints them.
    async stats({group_name: group} = {}) {
        const rows = [];
        for (const name of await this.#groups.wanted(group)) {
            const row = {group: name, ...Object.fromEntries(
                [...COUNTS, 'workers', 'waiting', 'broadcasts',
                 'oldest_due_ms'].map((key) => [key, 0])), paused: false};
            for (const part of this.#groups.partsNamed(name)) {
                const reply = await this.#caller.call('stats', part, []);
                const n = reply.map(Number);
                COUNTS.forEach((key, i) => { row[key] += n[1 + i]; });
                if (n[13] !== 0)
                    row.oldest_due_ms = Math.max(row.oldest_due_ms,
                                                 replyMs(reply) - n[13]);
                row.workers = Math.max(row.workers, n[14]);
                row.waiting += n[16];
                row.broadcasts += n[17];
                row.paused ||= n[18] > 0;
            }
            rows.push(row);
        }
        return rows;
    }

    // The fleet, as `stint workers --json` prints it.
    async workers() {
        const reply = await this.#caller.call('fleet_list', null, []);
        const rows = [];
        for (let i = 4 + Number(reply[3]); i + 2 < reply.length; i += 3) {
            const o = jsonRead(reply[i + 2]);
            const end = Number(reply[i + 1]), nowMs = replyMs(reply);
            rows.push({
                name: reply[i], host: o.host ?? '', pid: o.pid ?? 0,
                groups: (o.groups ?? []).join(','),
                status: end < nowMs ? 'DEAD' : o.status ?? '',
                concurrency: o.concurrency ?? 0, running: o.running ?? 0,
                version: o.version ?? '',
                started: o.started_ms ? timeWrite(o.started_ms) : null,
                heartbeat_age_ms: Math.max(0, nowMs - end + (o.lease_ms ?? 0)),
                shown: o.name ?? '', functions: (o.functions ?? []).join(','),
                load: typeof o.load === 'number' && o.load >= 0
                    ? Math.round(o.load * 100) / 100 : null,
                skew_ms: o.skew_ms ?? 0,
                ...Object.fromEntries(WORKER_COUNTS.map(
                    (key) => [key, o[key] ?? 0])),
                runs: o.runs ?? []});
        }
        return rows;
    }

    // ---- Changing -----------------------------------------------------------

    // One call about a task. A call that was repeated, because its answer got
    // lost, has found its own work if the task is in one of `done`.
    async #changeOnce(verb, id, group, args, done) {
        const part = await this.#locate(group, id);
        const seen = {};
        try {
            const reply = await this.#caller.call(verb, part, [id, ...args],
                                                  seen);
            return reply[1];
        } catch (err) {
            const isOwn = seen.isRepeated && err instanceof StintError &&
                (err.code === 'NOTFOUND' ? done.includes('GONE')
                    : err.code === 'STATE' &&
                      done.includes(err.message.split(' ').at(-1)));
            if (isOwn)
                return 'AGAIN';
            if (err instanceof StintError && err.code === 'NOTFOUND')
                throw notFound(id);
            throw err;
        }
    }

    #change(verb, id, {group_name: group}, args, done) {
        return this.#groups.lookTwice(group, () =>
            this.#changeOnce(verb, id, group, args, done));
    }

    // True: it has ended; false: it runs, and its worker is told to stop it.
    async stopTask(id, options = {}) {
        return await this.#change('stop_task', id, options, [],
                                  ['STOPPED']) !== 'STOPPING';
    }

    // Queues a task that has ended once more; reset: with its counters at 0.
    async requeueTask(id, options = {}) {
        await this.#change('requeue_task', id, options,
                           [options.reset ? '1' : '0',
                            String(randomBytes(6).readUIntBE(0, 6))],
                           ['QUEUED', 'ASSIGNED', 'RUNNING']);
    }

    async disableTask(id, options = {}) {
        await this.#change('disable_task', id, options, [], []);
    }

    async enableTask(id, options = {}) {
        await this.#change('enable_task', id, options, [], []);
    }

    // A task that is queued or has ended is gone then.
    async deleteTask(id, options = {}) {
        await this.#change('delete_task', id, options, [], ['GONE']);
    }
}
