// SPDX-License-Identifier: MIT
// A task's status and its runs, out of the terse records in Redis: what `stint
// task-status --json` prints (client/lib/status.c).
import {jsonRead} from './json.js';
import {groupOfPart} from './parts.js';
import {timeWrite} from './time.js';

const ENDED = ['COMPLETED', 'FAILED', 'TIMEOUT', 'STOPPED', 'EXPIRED'];
const EVIDENCE = ['exit_status', 'signal', 'max_rss_kb', 'stderr',
                  'worker_end'];
const CAST_MAX = 1000; // as in lua/prelude.lua

export function hasEnded(status) {
    return ENDED.includes(status);
}

// Is there such a task? "-" is an id that is kept after it.
export function isThere(text) {
    return text !== '' && text !== '-';
}

// "STATUS fence token worker next start stop key=value…"; '': a task nobody has
// touched.
export function stateRead(text, due = '') {
    if (text === '')
        return {status: 'QUEUED', fence: '0', token: '-', worker: '-',
                next: Number(due), start: 0, stop: 0, rules: {}};
    const [status, fence, token, worker, next, start, stop, ...rules] =
        text.split(' ');
    return {status, fence, token, worker, next: Number(next),
            start: Number(start), stop: Number(stop),
            rules: Object.fromEntries(rules.map((rule) => {
                const [key, value] = rule.split('=');
                return [key, Number(value)];
            }))};
}

function objectRead(text) {
    try {
        const o = jsonRead(text);
        return o !== null && typeof o === 'object' ? o : {};
    } catch {
        return {};
    }
}

function time(ms) {
    return ms ? timeWrite(ms) : null;
}

function stringOr(v, other) {
    return typeof v === 'string' ? v : other;
}

// ---- Runs -------------------------------------------------------------------

// What came of a run, out of its JSON.
function outcomeRead(text) {
    const o = text !== '' ? objectRead(text) : {};
    const evidence = EVIDENCE.filter((key) => o[key] !== undefined);
    return {result: o.result ?? null, output: stringOr(o.output, null),
            error: stringOr(o.error, null),
            evidence: evidence.length > 0
                ? Object.fromEntries(evidence.map((key) => [key, o[key]]))
                : null};
}

function isEmpty(run) {
    return run.result === null && run.output === null && run.error === null;
}

function runMake(id, fence, status, worker, start, stop, outcome = '') {
    return {run_id: `${id}@${fence}`, status,
            worker: worker === '-' ? '' : worker, start_time: time(start),
            stop_time: time(stop), ...outcomeRead(outcome)};
}

// "STATUS fence worker start stop payload"
function runFromLine(id, line) {
    const m = /^(\S+) (\S+) (\S+) (\d+) (\d+) ?(.*)$/s.exec(line);
    return m === null ? null
        : {fence: m[2], run: runMake(id, m[2], m[1], m[3], Number(m[4]),
                                     Number(m[5]), m[6])};
}

// Does the record itself tell of a run (running, or the task's last)? That of
// a broadcast does not: its runs are those of its parts.
function stateIsRun(st) {
    return !st.rules.cast && (st.status === 'RUNNING' ||
        (hasEnded(st.status) && st.status !== 'EXPIRED' && st.start !== 0 &&
         st.token !== '-'));
}

// All runs there are, newest first. parts: what goes on of a broadcast; lines:
// those that are over.
function runsRead(id, st, parts, lines) {
    const runs = [...parts];
    const own = runs.length;
    if (stateIsRun(st))
        runs.push(runMake(id, st.fence, st.status, st.worker, st.start,
                          st.status === 'RUNNING' ? 0 : st.stop));
    for (const [i, line] of lines.entries()) {
        const found = runFromLine(id, line);
        if (found === null)
            continue;
        // The history knows better how the record's run ended.
        if (i === 0 && own < runs.length && found.fence === st.fence)
            runs[own] = found.run;
        else
            runs.push(found.run);
    }
    return runs;
}

// The parts of a running broadcast, as task_status tells of them. One that has
// ended is gone and a line of the history.
export function partIds(id, st) {
    const n = st.rules.cast && st.status === 'RUNNING' ? st.rules.parts ?? 0
                                                       : 0;
    return n > CAST_MAX ? []
        : Array.from({length: n}, (_, i) => `${id}@${i + 1}`);
}

export function partRun(id, record, payload) {
    if (record === '')
        return null;
    const st = stateRead(record);
    return runMake(id, st.fence, st.status, st.worker, st.start, 0,
                   st.rules.live ? payload : '');
}

// ---- Why --------------------------------------------------------------------

function queuedReason(st, fn, nowMs) {
    const waits = st.rules.wait ?? 0;
    if (st.rules.disabled)
        return 'disabled';
    if (waits > 0)
        return `waits for ${waits} task${waits === 1 ? '' : 's'}`;
    if (st.rules.parked)
        return `no worker here knows ${fn}`;
    if (st.next > nowMs) {
        const tenths = Math.floor((st.next - nowMs + 50) / 100);
        return `due in ${Math.floor(tenths / 10)}.${tenths % 10} s`;
    }
    return 'waiting for a worker';
}

function reasonOf(st, fn, error, nowMs) {
    switch (st.status) {
    case 'QUEUED':
        return queuedReason(st, fn, nowMs);
    case 'RUNNING':
        return st.rules.stopping ? 'being stopped'
            : st.rules.cast
                ? `broadcast: ${st.rules.parts - st.rules.open} of ${
                    st.rules.parts} workers have ended`
                : '';
    case 'EXPIRED':
        return st.start !== 0 ? 'its next run would be after stop_time'
                              : 'stop_time passed before it could start';
    case 'STOPPED':
        return 'stopped by a client';
    case 'FAILED': case 'TIMEOUT':
        return error ?? '';
    default:
        return '';
    }
}

// ---- One task ---------------------------------------------------------------

function nextRunTime(st) {
    if (hasEnded(st.status) && !st.rules.begin)
        return st.start !== 0 ? st.start + 60000 : 0;
    return st.next;
}

// What a list shows of a task. `part` is the group or a part of it, `text` what
// was queued.
export function statusMake(id, part, st, text, error, nowMs) {
    const blank = text.indexOf(' ');
    const fn = blank > 0 ? text.slice(0, blank) : '';
    const task = blank > 0 ? objectRead(text.slice(blank + 1)) : {};
    const more = {};
    if (st.rules.disabled)
        more.disabled = true;
    for (const key of ['cronline', 'timezone'])
        if (typeof task[key] === 'string')
            more[key] = task[key];
    return {
        id, function: fn, task_name: stringOr(task.task_name, fn),
        group_name: groupOfPart(part), status: st.status,
        args: task.args ?? [], vars: task.vars ?? {},
        start_time: time(st.rules.begin || st.next),
        stop_time: time(st.rules.expire ?? 0),
        next_run_time: time(nextRunTime(st)),
        last_run_time: time(st.start),
        times_run: st.rules.run ?? 0, times_failed: st.rules.failed ?? 0,
        worker: st.worker === '-' ? '' : st.worker,
        reason: reasonOf(st, fn, error, nowMs),
        tags: task.tags ?? [], priority: Math.floor(st.rules.level ?? 0),
        ...more};
}

// All of it. The task's own outcome is what the record keeps: of its last run
// or of the whole broadcast, or why it never ran. Between two runs it is that
// of the last one. five: the elements of task_status's reply.
export function statusFull(id, part, st, five, parts, options, nowMs) {
    const [, text, , payload, lines] = five;
    const runs = runsRead(id, st, parts, lines);
    const own = st.rules.cast ? -1 : stateIsRun(st) ? 0 : -1;
    const isOfRecord = payload !== '' &&
        (hasEnded(st.status) || Boolean(st.rules.live));
    let last = runs[0] ?? outcomeRead('');
    if (st.rules.cast && st.status === 'RUNNING')
        last = outcomeRead(''); // every part has its own
    if (isOfRecord)
        last = outcomeRead(payload);
    if (isOfRecord && own === 0 && isEmpty(runs[0]))
        runs[0] = {...runs[0], ...last};
    const status = statusMake(id, part, st, text, last.error, nowMs);
    if (st.status === 'RUNNING' && st.rules.live && !st.rules.cast) {
        const {progress} = objectRead(payload);
        if (progress)
            status.progress = progress; // what it says about how far it is
    }
    if (options.output)
        Object.assign(status, {result: last.result, output: last.output,
                               error: last.error});
    if (options.runs)
        status.runs = runs;
    return status;
}
