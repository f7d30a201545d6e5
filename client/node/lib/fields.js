// SPDX-License-Identifier: MIT
// What a task may say, field by field, with the rules and the words of
// client/core/task_fields.c. Nothing stops at the first fault: people want to
// hear all of them at once.
import {CronError, cronParse} from './cron.js';
import {JsonError, isTooDeep, jsonWrite} from './json.js';
import {DEPENDS_MAX, JSON_DEPTH_MAX, NAME_LEN, TAGS_MAX} from './limits.js';
import {timeRead} from './time.js';
import {zoneIsKnown} from './zone.js';

const TEN_YEARS_S = 315576000;
const LONG_S = 1e10;
const COUNT_MAX = 1e15;
export const BACKOFF_UNIT = 100000;

const SECONDS = 'must be a number of seconds >= 0';
const TIME = 'must be a time: now, +45s, -2h, RFC 3339 with a zone, or ' +
    'seconds since the epoch';
const FLAG = 'must be true or false';

// The sentence for whoever got it wrong.
class Wrong extends Error {}

const isId = (s) => /^[A-Za-z0-9_.:-]{1,128}$/.test(s);
export const isGroup = (s) => /^[A-Za-z0-9_.-]{1,128}$/.test(s);
const isTag = (s) => /^[A-Za-z0-9_.:/-]{1,64}$/.test(s);
const isFunction = (s) => /^[A-Za-z0-9_.:/-]{1,128}$/.test(s);

// ID or GROUP/ID
function isRef(s) {
    const slash = s.indexOf('/');
    return slash < 0 ? isId(s)
                     : isGroup(s.slice(0, slash)) && isId(s.slice(slash + 1));
}

function isLabel(s) {
    const bytes = Buffer.byteLength(s);
    // eslint-disable-next-line no-control-regex
    return bytes >= 1 && bytes <= NAME_LEN && !/[\0-\x1f\x7f]/.test(s) &&
        s.isWellFormed?.() !== false;
}

// ---- Readers: the value as it is used, or undefined for a wrong one ---------

function text(is) {
    return (v) => typeof v === 'string' && is(v) ? v : undefined;
}

function numberOf(v) {
    return typeof v === 'bigint' ? Number(v) : v;
}

function number(min, max) {
    return (v) => {
        const n = numberOf(v);
        return typeof n === 'number' && n >= min && n <= max ? n : undefined;
    };
}

function count(min, max) {
    return (v) => {
        const n = number(min, max)(v);
        return Number.isInteger(n) ? n : undefined;
    };
}

function milliseconds(max) {
    return (v) => {
        const s = number(0, max)(v);
        return s === undefined ? undefined : Math.trunc(s * 1000 + 0.5);
    };
}

function factor(v) {
    const n = number(1, 100)(v);
    return n === undefined ? undefined : Math.trunc(n * BACKOFF_UNIT + 0.5);
}

function flag(v) {
    return typeof v === 'boolean' ? v : undefined;
}

function timeout(v) {
    const s = number(0, TEN_YEARS_S)(v);
    return s > 0 ? {json: jsonWrite(v), ms: Math.trunc(s * 1000 + 0.5)}
                 : undefined;
}

function time(v) {
    if (v instanceof Date)
        return time(v.getTime() / 1000);
    const s = numberOf(v);
    if (typeof s === 'number')
        return s >= 0 && s < 253402300800
            ? {ms: Math.trunc(s * 1000 + 0.5), relative: false} : undefined;
    return typeof v === 'string' ? timeRead(v) ?? undefined : undefined;
}

// The JSON of an array or object, and whether it has anything in it.
function tree(is) {
    return (v) => {
        if (!is(v))
            return undefined;
        if (isTooDeep(v))
            throw new Wrong(`must not be nested deeper than ${
                JSON_DEPTH_MAX}`);
        try {
            return {json: jsonWrite(v)};
        } catch (err) {
            if (err instanceof JsonError)
                throw new Wrong(`is not JSON: ${err.message}`);
            throw err;
        }
    };
}

function isObject(v) {
    return v !== null && typeof v === 'object' && !Array.isArray(v);
}

function ids(v) {
    return Array.isArray(v) && v.length <= DEPENDS_MAX &&
        v.every((ref) => typeof ref === 'string' && isRef(ref)) ? [...v]
                                                                : undefined;
}

function tags(v) {
    return Array.isArray(v) && v.length <= TAGS_MAX &&
        v.every((tag) => typeof tag === 'string' && isTag(tag)) ? [...v] : undefined;
}

function cronline(v) {
    if (typeof v !== 'string' || v.includes('\0'))
        return undefined;
    try {
        return {text: v, cron: cronParse(v)};
    } catch (err) {
        if (err instanceof CronError)
            throw new Wrong(err.message);
        throw err;
    }
}

function durability(v) {
    const word = typeof v === 'number' || typeof v === 'bigint' ? String(v)
                                                                : v;
    if (typeof word !== 'string')
        return undefined;
    if (/^[123]$/.test(word))
        return {level: Number(word), replicas: word === '3' ? 1 : 0};
    const n = /^replicas=([1-9]\d*)$/.exec(word);
    return n !== null && Number(n[1]) <= 100
        ? {level: 1, replicas: Number(n[1])} : undefined;
}

// ---- The table --------------------------------------------------------------

const seconds = [milliseconds(LONG_S), SECONDS];
const FIELDS = {
    function: [text(isFunction), 'must be 1 to 128 of A-Za-z0-9_.:/-'],
    args: [tree(Array.isArray), 'must be a JSON array'],
    vars: [tree(isObject), 'must be a JSON object'],
    id: [text(isId), 'must be 1 to 128 of A-Za-z0-9_.:-'],
    task_name: [text(isLabel), 'must be 1 to 128 bytes of text without ' +
                'control characters'],
    group_name: [text(isGroup), 'must be 1 to 128 of A-Za-z0-9_.-'],
    start_time: [time, TIME],
    stop_time: [time, TIME],
    timeout: [timeout, 'must be a number of seconds > 0, at most ten years'],
    repeats: [count(0, COUNT_MAX),
              'must be a whole number >= 0 (0: without end)'],
    period: seconds,
    prevent_drift: [flag, FLAG],
    retry_failed: [count(-1, COUNT_MAX),
                   'must be a whole number >= -1 (-1: without end)'],
    retry_delay: seconds,
    retry_backoff: [factor, 'must be a number from 1 to 100'],
    retry_max_delay: seconds,
    immediate: [flag, FLAG],
    priority: [count(-100, 100), 'must be a whole number from -100 to 100'],
    disabled: [flag, FLAG],
    result_ttl: seconds,
    discard_results: [flag, FLAG],
    cronline: [cronline, 'must be five fields: minute hour day month weekday'],
    timezone: [text(zoneIsKnown),
               'must be the name of a time zone, such as Europe/Rome'],
    max_crashes: [(v) => count(-1, COUNT_MAX)(v) || undefined,
                  'must be a whole number >= 1 (-1: without end)'],
    depends_on: [ids, 'must be an array of up to 1000 ids, ID or GROUP/ID'],
    on_dependency: [text((s) => s === 'fail' || s === 'run'),
                    'must be fail or run'],
    broadcast: [flag, FLAG],
    sync_output: [milliseconds(TEN_YEARS_S), SECONDS],
    durability: [durability, 'must be 1, 2, 3 or replicas=N with N from 1 ' +
                 'to 100'],
    tags: [tags, 'must be an array of up to 16 words, each 1 to 64 of ' +
           'A-Za-z0-9_.:/-'],
};

// What is right by itself, but not together.
function compare(f, task, errors) {
    if (f.timezone !== undefined && task.cronline === undefined)
        errors.timezone = 'has no meaning without a cronline';
    if (f.on_dependency !== undefined && task.depends_on === undefined)
        errors.on_dependency = 'has no meaning without depends_on';
    if (f.broadcast && f.id?.length > 120)
        errors.id = 'must be up to 120 characters with broadcast';
}

// {fields, errors}: the options of a task as they are used, and a sentence for
// each that is wrong. An option that is undefined is not given.
export function fieldsRead(task) {
    const fields = {}, errors = {};
    if (!isObject(task))
        return {fields, errors: {task: 'must be a JSON object'}};
    if (task.function === undefined)
        errors.function = 'is required';
    for (const [key, value] of Object.entries(task)) {
        if (value === undefined)
            continue;
        if (!Object.hasOwn(FIELDS, key)) {
            errors[key] = 'unknown option';
            continue;
        }
        const [read, sentence] = FIELDS[key];
        try {
            fields[key] = read(value);
            if (fields[key] === undefined)
                errors[key] = sentence;
        } catch (err) {
            if (!(err instanceof Wrong))
                throw err;
            errors[key] = err.message;
        }
    }
    compare(fields, task, errors);
    return {fields, errors};
}
