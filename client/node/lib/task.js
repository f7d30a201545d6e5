// SPDX-License-Identifier: MIT
// From what people write to the arguments of stint_queue_task, with the same
// bytes as client/core/task.c.
import {randomBytes} from 'node:crypto';

import {cronNextMs} from './cron.js';
import {Refused} from './errors.js';
import {BACKOFF_UNIT, fieldsRead} from './fields.js';
import {jsonWrite, realWrite} from './json.js';
import {NAME_LEN, PAYLOAD_BYTES_MAX} from './limits.js';

const TEXT_BYTES_MAX = PAYLOAD_BYTES_MAX - NAME_LEN - 16;

// A time-sortable UUIDv7, written as 26 characters of base 32.
export function idMake() {
    const random = randomBytes(10);
    let n = BigInt(Date.now()) << 80n |
        0x7n << 76n |
        BigInt(random.readUInt16BE(0) & 0xfff) << 64n |
        2n << 62n |
        random.readBigUInt64BE(2) >> 2n;
    let id = '';
    for (let i = 0; i < 26; i++, n >>= 5n)
        id = '0123456789abcdefghjkmnpqrstvwxyz'[Number(n & 31n)] + id;
    return id;
}

function backoffWrite(n) {
    return `${Math.floor(n / BACKOFF_UNIT)}.${
        String(n % BACKOFF_UNIT).padStart(5, '0')}`.replace(/\.?0+$/, '');
}

// What differs from the defaults, as lua/prelude.lua wants it.
function rulesWrite(f) {
    const rules = [];
    const rule = (key, value, usual) => {
        if (value !== undefined && value !== usual)
            rules.push(`${key}=${value}`);
    };
    rule('repeats', f.repeats ?? (f.cronline ? 0 : 1), 1);
    rule('period', f.period, 60000);
    rule('drift', Number(f.prevent_drift ?? 0), 0);
    rule('retry', f.retry_failed, 0);
    rule('delay', f.retry_delay);
    if ((f.retry_backoff ?? BACKOFF_UNIT) !== BACKOFF_UNIT)
        rule('backoff', backoffWrite(f.retry_backoff));
    rule('cap', f.retry_max_delay, 3600000);
    rule('level', (f.priority ?? 0) + (f.immediate ? 0.5 : 0), 0);
    rule('disabled', Number(f.disabled ?? 0), 0);
    rule('ttl', f.result_ttl, 86400000);
    rule('discard', Number(f.discard_results ?? 0), 0);
    rule('crashes', f.max_crashes, 3);
    rule('cron', Number(f.cronline !== undefined), 0);
    rule('anyway', Number(f.on_dependency === 'run'), 0);
    rule('cast', Number(f.broadcast ?? 0), 0);
    return rules.join(' ');
}

// The rest of the task, which the scripts never look at.
function restWrite(f) {
    const members = [];
    const member = (key, json) => members.push(`"${key}":${json}`);
    if (f.args && f.args.json !== '[]')
        member('args', f.args.json);
    if (f.vars && f.vars.json !== '{}')
        member('vars', f.vars.json);
    if (f.task_name !== undefined && f.task_name !== f.function)
        member('task_name', jsonWrite(f.task_name));
    if (f.timeout && f.timeout.ms !== 60000)
        member('timeout', f.timeout.json);
    if (f.depends_on?.length > 0)
        member('depends_on', jsonWrite(f.depends_on));
    if (f.cronline)
        member('cronline', jsonWrite(f.cronline.text));
    if (f.timezone !== undefined)
        member('timezone', jsonWrite(f.timezone));
    if (f.tags?.length > 0)
        member('tags', jsonWrite(f.tags));
    if (f.sync_output > 0)
        member('sync_output', realWrite(f.sync_output / 1000));
    return `{${members.join(',')}}`;
}

function timeArgument({ms, relative}) {
    return relative && ms >= 0 ? `+${ms}` : String(ms);
}

// A task as the script takes it, out of its options. Throws Refused.
export function taskMake(options, index = 0) {
    const {fields: f, errors} = fieldsRead(options);
    const id = typeof options?.id === 'string' ? options.id : null;
    if (Object.keys(errors).length > 0)
        throw new Refused('INVALID', errors, index, id);
    const rest = restWrite(f);
    if (Buffer.byteLength(rest) > TEXT_BYTES_MAX)
        throw new Refused('INVALID', {args: `too big: with vars more than ${
            TEXT_BYTES_MAX} bytes`}, index, id);
    const text = `${f.function} ${rest}`;
    return {
        id: f.id ?? idMake(),
        group: f.group_name ?? 'main',
        function: f.function,
        start: timeArgument(f.start_time ?? {ms: 0, relative: true}),
        stop: f.stop_time ? timeArgument(f.stop_time) : '',
        rules: rulesWrite(f),
        text,
        bytes: Buffer.byteLength(text),
        depends: f.depends_on ?? [],
        cron: f.cronline?.cron ?? null,
        timezone: f.timezone ?? 'UTC',
        isBroadcast: f.broadcast ?? false,
        durability: f.durability ?? {level: 1, replicas: 0},
        generation: 0, // above its parents' that are queued with it
        index, // in the list as it was given
    };
}

// For a task with a cronline: puts its first match at or after its start_time
// into the place of that, which stays as the rule begin.
export function cronStart(task, nowMs) {
    let start = Number(task.start);
    if (/^[+-]/.test(task.start))
        start += nowMs;
    const first = cronNextMs(task.cron, task.timezone, start - 1);
    if (first === null)
        throw new Refused('INVALID', {cronline: 'it never matches'},
                          task.index, task.id);
    task.rules += `${task.rules === '' ? '' : ' '}begin=${start}`;
    task.start = String(first);
}
