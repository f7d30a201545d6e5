// SPDX-License-Identifier: MIT
// JSON as the C library reads and writes it. What is written has the same
// bytes: compact, reals with 17 digits and always with a point or an exponent,
// and only what has to be escaped is. Integers that a number cannot hold are
// BigInts on both sides.
import {randomUUID} from 'node:crypto';

import {JSON_DEPTH_MAX} from './limits.js';

const INT64_MAX = 2n ** 63n - 1n;
// Halves of surrogate pairs, which UTF-8 does not know.
export const HALVES = /\p{Surrogate}/gu;
const ESCAPES = {'"': '\\"', '\\': '\\\\', '\b': '\\b', '\f': '\\f',
                 '\n': '\\n', '\r': '\\r', '\t': '\\t'};

// Why a value cannot be written.
export class JsonError extends Error {
    name = 'JsonError';
}

// ---- Writing ----------------------------------------------------------------

// The 17 digits of a real and its exponent, as printf rounds: an exact half
// goes to the even neighbour. toExponential would take the larger one.
function digits17(x) {
    const [, first, rest, exponent] =
        /^(\d)\.(\d+)e([+-]\d+)$/.exec(x.toExponential(17));
    const digits = first + rest;
    if (digits[17] === '5' && digits[16] % 2 === 0 &&
        /^\d\.\d{17}0+e/.test(x.toExponential(100)))
        return [digits.slice(0, 17), Number(exponent)];
    const rounded = /^(\d)\.(\d+)e([+-]\d+)$/.exec(x.toExponential(16));
    return [rounded[1] + rounded[2], Number(rounded[3])];
}

// "%.17g", with ".0" where it would look like an integer, and exponents
// without a plus sign and leading zeros.
export function realWrite(x) {
    if (x === 0)
        return '0.0';
    const sign = x < 0 ? '-' : '';
    let [digits, exponent] = digits17(Math.abs(x));
    digits = digits.replace(/0+$/, '');
    if (exponent < -4 || exponent >= 17)
        return sign + digits[0] + (digits.length > 1 ? '.' : '') +
            digits.slice(1) + 'e' + exponent;
    if (exponent < 0)
        return sign + '0.' + '0'.repeat(-exponent - 1) + digits;
    const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
    return sign + whole + '.' + (digits.slice(exponent + 1) || '0');
}

function numberWrite(x) {
    if (!Number.isFinite(x))
        throw new JsonError(`it holds ${x}`);
    return Number.isSafeInteger(x) ? String(x) : realWrite(x); // -0: "0"
}

function bigintWrite(n) {
    if (n > INT64_MAX || n < -INT64_MAX - 1n)
        throw new JsonError(`it holds ${n}, more than 64 bits`);
    return String(n);
}

function stringWrite(s) {
    if (s.search(HALVES) >= 0)
        throw new JsonError('a text of it has half a surrogate pair');
    if (s.includes('\0'))
        throw new JsonError('a text of it has a NUL character');
    // eslint-disable-next-line no-control-regex
    return '"' + s.replace(/["\\\u0000-\u001f]/g, (c) => ESCAPES[c] ??
        '\\u' + c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')) +
        '"';
}

// What JSON.stringify would see of a value.
function plain(v, key) {
    if (v !== null && (typeof v === 'object' || typeof v === 'bigint') &&
        typeof v.toJSON === 'function')
        v = v.toJSON(key);
    return v instanceof Number || v instanceof String || v instanceof Boolean
        ? v.valueOf() : v;
}

// undefined: what JSON.stringify leaves out.
function valueWrite(v, key, depth) {
    v = plain(v, key);
    switch (typeof v) {
    case 'number': return numberWrite(v);
    case 'bigint': return bigintWrite(v);
    case 'string': return stringWrite(v);
    case 'boolean': return v ? 'true' : 'false';
    case 'object': break;
    default: return undefined;
    }
    if (v === null)
        return 'null';
    if (depth === JSON_DEPTH_MAX)
        throw new JsonError(`it is nested deeper than ${JSON_DEPTH_MAX}`);
    if (Array.isArray(v))
        return '[' + Array.from(v, (item, i) =>
            valueWrite(item, String(i), depth + 1) ?? 'null').join(',') + ']';
    const members = [];
    for (const name of Object.keys(v)) {
        const text = valueWrite(v[name], name, depth + 1);
        if (text !== undefined)
            members.push(stringWrite(name) + ':' + text);
    }
    return '{' + members.join(',') + '}';
}

// The JSON of a value; undefined for what JSON.stringify leaves out. Throws a
// JsonError for NaN, cycles and what else there is no JSON for, or that the C
// library refuses to read.
export function jsonWrite(v) {
    return valueWrite(v, '', 0);
}

// Is a value within which arrays and objects are nested deeper than allowed?
export function isTooDeep(v, most = JSON_DEPTH_MAX) {
    if (v === null || typeof v !== 'object' || typeof v.toJSON === 'function')
        return false;
    return most === 0 ||
        Object.keys(v).some((key) => isTooDeep(v[key], most - 1));
}

// ---- Reading ----------------------------------------------------------------

// JSON.parse, but integers beyond 2^53 come as BigInts: in the text they become
// strings that nobody can have written.
export function jsonRead(text) {
    if (!/\d{16}/.test(text))
        return JSON.parse(text);
    const mark = randomUUID();
    const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g,
        (token) => /^-?[1-9]\d{15,}$/.test(token) &&
            !Number.isSafeInteger(Number(token)) ? `"${mark}${token}"` : token);
    return JSON.parse(marked, (key, v) =>
        typeof v === 'string' && v.startsWith(mark)
            ? BigInt(v.slice(mark.length)) : v);
}
