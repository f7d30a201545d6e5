/* SPDX-License-Identifier: MIT */
/* Calls of /api/v1. Every failure is a Problem with a sentence that can be
 * shown. The token against forged requests comes with the session. */

export class Problem extends Error {
    constructor(status, type, detail, errors = {}) {
        super(detail);
        this.status = status; /* 0: no answer */
        this.type = type;
        this.errors = errors; /* field → sentence */
    }
}

/* Who we are: {name, version, namespace, user, role, csrf, now}; null before. */
export let session = null;
/* How far the broker's clock is before ours, ms. */
export let skew = 0;

const ROLES = ['none', 'read', 'queue', 'admin'];

/* May the user do what needs this role? */
export function may(role) {
    return ROLES.indexOf(session?.role ?? 'none') >= ROLES.indexOf(role);
}

/* The broker's time, ms. */
export function now() {
    return Date.now() + skew;
}

/* {a: 1, b: '', c: null} → "?a=1"; true is 1 */
export function query(fields) {
    const q = new URLSearchParams();
    for (const [name, value] of Object.entries(fields ?? {})) {
        if (value === '' || value === null || value === undefined
            || value === false) continue;
        q.set(name, value === true ? '1' : String(value));
    }
    const text = q.toString();
    return text ? `?${text}` : '';
}

/* Numbers that a double cannot hold keep their digits, where the browser can. */
function exact(key, value, context) {
    if (typeof value !== 'number' || Math.abs(value) <= Number.MAX_SAFE_INTEGER
        || !context?.source || !JSON.rawJSON) return value;
    return JSON.rawJSON(context.source);
}

export const parse = (text) => JSON.parse(text, exact);

async function problemOf(answer) {
    let told = {};
    try {
        told = JSON.parse(await answer.text());
    } catch {
        /* Not ours: a proxy's, or cut off. */
    }
    const type = String(told.type ?? '').replace('urn:stint:', '');
    return new Problem(answer.status, type,
        told.detail || told.title || `the broker answered ${answer.status}`,
        told.errors && typeof told.errors === 'object' ? told.errors : {});
}

function announce(name) {
    document.dispatchEvent(new CustomEvent(name));
}

async function send(method, path, body, signal) {
    const headers = {Accept: 'application/json'};
    if (method !== 'GET' && session?.csrf) headers['Stint-CSRF'] = session.csrf;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const limit = AbortSignal.timeout(60000);
    try {
        return await fetch(path, {method, headers, cache: 'no-store',
            credentials: 'same-origin', redirect: 'error',
            body: body === undefined ? undefined : JSON.stringify(body),
            signal: signal ? AbortSignal.any([signal, limit]) : limit});
    } catch (e) {
        if (signal?.aborted) throw e;
        announce('stint:lost');
        throw new Problem(0, 'unreachable', 'The broker cannot be reached.');
    }
}

/* The answer's JSON. options: {query, body, signal} */
export async function call(method, path, options = {}) {
    const full = path + query(options.query);
    let answer = await send(method, full, options.body, options.signal);
    if (answer.status === 403 && method !== 'GET') {
        /* A broker that was started anew has another token. */
        const before = session?.csrf;
        await whoAmI(options.signal);
        if (session.csrf !== before)
            answer = await send(method, full, options.body, options.signal);
    }
    announce('stint:reached');
    if (!answer.ok) {
        const problem = await problemOf(answer);
        if (answer.status === 401 && path.startsWith('/api/'))
            announce('stint:unauthorized');
        throw problem;
    }
    const text = await answer.text();
    if (!text) return {};
    try {
        return parse(text);
    } catch {
        throw new Problem(answer.status, 'invalid',
            'The broker’s answer could not be read.');
    }
}

export const get = (path, fields, signal) =>
    call('GET', `/api/v1${path}`, {query: fields, signal});
export const post = (path, body, fields, signal) =>
    call('POST', `/api/v1${path}`, {body: body ?? {}, query: fields, signal});
export const remove = (path, fields, signal) =>
    call('DELETE', `/api/v1${path}`, {query: fields, signal});

/* A segment of a path. */
export const seg = encodeURIComponent;

export async function whoAmI(signal) {
    const told = await call('GET', '/api/v1', {signal});
    const at = Date.parse(told.now);
    if (!Number.isNaN(at)) skew = at - Date.now();
    session = told;
    return told;
}

export function forget() {
    session = null;
}
