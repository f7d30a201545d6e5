/* SPDX-License-Identifier: MIT */
/* How numbers, times and texts are shown: the same in every locale, so that
 * what two people read to each other is the same. */

const NONE = '–';

/* 1,234,567 */
export function count(n) {
    if (n === null || n === undefined || Number.isNaN(Number(n))) return NONE;
    return String(Math.round(Number(n))).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/* 12.3k, 4.5M: for tiles and axes */
export function brief(n) {
    if (n === null || n === undefined || !Number.isFinite(n)) return NONE;
    const a = Math.abs(n);
    if (a >= 1e9) return `${trim(n / 1e9)}G`;
    if (a >= 1e6) return `${trim(n / 1e6)}M`;
    if (a >= 1e4) return `${trim(n / 1e3)}k`;
    if (a >= 100 || Number.isInteger(n)) return count(n);
    return trim(n);
}

function trim(n) {
    const a = Math.abs(n);
    const text = n.toFixed(a >= 100 ? 0 : a >= 10 ? 1 : 2);
    return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/* 12.4/s; slower ones by the minute or hour */
export function rate(perSecond) {
    if (perSecond === null || perSecond === undefined
        || !Number.isFinite(perSecond)) return NONE;
    if (perSecond === 0 || perSecond >= 0.1) return `${brief(perSecond)}/s`;
    if (perSecond * 60 >= 0.1) return `${trim(perSecond * 60)}/min`;
    return `${trim(perSecond * 3600)}/h`;
}

/* 850 µs, 12.3 ms, 4.21 s, 3m 05s, 2h 10m, 4d 3h */
export function duration(s) {
    if (s === null || s === undefined || !Number.isFinite(Number(s))) return NONE;
    const n = Math.max(0, Number(s));
    if (n === 0) return '0 s';
    if (n < 0.001) return `${trim(n * 1e6)} µs`;
    if (n < 1) return `${trim(n * 1e3)} ms`;
    if (n < 60) return `${trim(n)} s`;
    const two = (a, x, b, y) => `${a}${x} ${String(b).padStart(2, '0')}${y}`;
    const whole = Math.floor(n);
    if (n < 3600) return two(Math.floor(whole / 60), 'm', whole % 60, 's');
    if (n < 86400)
        return two(Math.floor(whole / 3600), 'h', Math.floor(whole / 60) % 60, 'm');
    return two(Math.floor(whole / 86400), 'd', Math.floor(whole / 3600) % 24, 'h');
}

const pad = (n, width = 2) => String(n).padStart(width, '0');

/* 2026-11-28 05:40:34, in the reader's zone */
export function time(text, withMs = false) {
    const at = new Date(text ?? NaN);
    if (Number.isNaN(at.getTime())) return NONE;
    return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} `
        + `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`
        + (withMs ? `.${pad(at.getMilliseconds(), 3)}` : '');
}

/* 05:40, or the day if it is long ago: for an axis over `span` ms */
export function tick(ms, span) {
    const at = new Date(ms);
    if (span > 3 * 86400e3) return `${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
    return `${pad(at.getHours())}:${pad(at.getMinutes())}`;
}

/* "12 s ago", "in 3m 05s", against `now` (ms) */
export function ago(text, now = Date.now()) {
    const at = new Date(text ?? NaN).getTime();
    if (Number.isNaN(at)) return NONE;
    const s = Math.round((now - at) / 1000);
    if (s === 0) return 'now';
    return s > 0 ? `${duration(s)} ago` : `in ${duration(-s)}`;
}

/* 12.3 MiB */
export function bytes(n) {
    if (n === null || n === undefined || !Number.isFinite(n)) return NONE;
    let value = n;
    for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
        if (value < 1024) return `${trim(value)} ${unit}`;
        value /= 1024;
    }
    return `${trim(value)} TiB`;
}

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/* Text of a task as a reader should see it: what would be invisible, or would
 * turn the text around it, is shown as its number, as JSON would write it. */
export function visible(text) {
    return String(text ?? '').replace(UNSEEN, (c) => {
        const n = c.codePointAt(0);
        return `\\u${n.toString(16).padStart(4, '0')}`;
    });
}

/* A JSON value, pretty. */
export function pretty(value) {
    return visible(JSON.stringify(value, null, 2));
}

/* The first so many characters, with … if there are more; never half of one. */
export function short(text, most = 80) {
    const all = visible(text);
    if (all.length <= most) return all;
    const cut = [...all.slice(0, most + 1)];
    cut.pop();
    return `${cut.join('')}…`;
}

/* An id in a table: its beginning and its end. */
export function shortId(id) {
    return id.length <= 30 ? id : `${id.slice(0, 16)}…${id.slice(-10)}`;
}

/* "1 task", "12,000 tasks" */
export function tasks(n) {
    return `${count(n)} ${Number(n) === 1 ? 'task' : 'tasks'}`;
}
