/* SPDX-License-Identifier: MIT */
/* What goes on while a page is open: looking again and again, and the stream of
 * events. Both rest while nobody sees the page: a browser has six connections
 * to a host, and hidden tabs must not hold them. */
import {get} from './api.js';

const seen = () => document.visibilityState === 'visible';

/* Resolves after ms, when the page is shown again, or when signal aborts. */
function pause(ms, signal) {
    return new Promise((done) => {
        let timer = null;
        const end = () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', end);
            document.removeEventListener('visibilitychange', shown);
            done();
        };
        const shown = () => seen() && end();
        signal.addEventListener('abort', end);
        if (seen()) timer = setTimeout(end, ms);
        else document.addEventListener('visibilitychange', shown);
        if (signal.aborted) end();
    });
}

/* Runs fn now and ms after each end of it, until signal aborts or fn returns
 * false. What it throws goes to failed(e), and the pause grows to eight-fold. */
export async function every(ms, signal, fn, failed) {
    let wait = ms;
    while (!signal.aborted) {
        try {
            if (await fn() === false) return;
            wait = ms;
        } catch (e) {
            if (signal.aborted) return;
            wait = Math.min(wait * 2, ms * 8);
            failed(e);
        }
        await pause(wait, signal);
        while (!signal.aborted && !seen()) await pause(ms, signal);
    }
}

/* One block of a stream of events: {id, data}; null: a comment. */
function parse(block) {
    let id = null;
    const data = [];
    for (const line of block.split(/\r\n|\n|\r/)) {
        if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
        else if (line.startsWith('id:')) id = line.slice(3).trim();
    }
    return data.length ? {id, data: data.join('\n')} : null;
}

/* fetch and not EventSource: that one gives an event only to who knows its name
 * beforehand, and does not tell why it was refused. */
async function read(path, last, signal, each) {
    const headers = {Accept: 'text/event-stream'};
    if (last) headers['Last-Event-ID'] = last;
    const answer = await fetch(path, {headers, signal, cache: 'no-store'});
    if (!answer.ok || !answer.body) throw new Error(`stream: ${answer.status}`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
        const {value, done} = await reader.read();
        if (done) return;
        rest += value;
        const blocks = rest.split(/\r?\n\r?\n/);
        rest = blocks.pop();
        for (const block of blocks) each(parse(block));
    }
}

/* Calls take(event) for each event of the group ('' : of all), and state(word)
 * with 'live', 'polling' or 'waiting'. */
export function follow(group, signal, take, state) {
    let last = null;   /* id of the last event, for the stream */
    let cursor = null; /* where polling goes on */
    const path = `/api/v1/events/stream${group
        ? `?group_name=${encodeURIComponent(group)}` : ''}`;

    const stream = async (inner) => {
        state('live');
        await read(path, last, inner, (block) => {
            if (!block) return;
            last = block.id ?? last;
            const event = JSON.parse(block.data);
            cursor = event.cursor ?? cursor;
            take(event);
        });
    };
    const poll = async () => {
        state('polling');
        const told = await get('/events', {group_name: group,
            after: cursor ?? '$', limit: 100}, signal);
        told.events.forEach(take);
        cursor = told.cursor ?? cursor;
    };
    const one = async () => {
        const inner = new AbortController();
        const hide = () => seen() || inner.abort();
        const stop = () => inner.abort();
        document.addEventListener('visibilitychange', hide);
        signal.addEventListener('abort', stop);
        try {
            await stream(inner.signal);
        } catch (e) {
            if (inner.signal.aborted) return;
            await poll();
        } finally {
            document.removeEventListener('visibilitychange', hide);
            signal.removeEventListener('abort', stop);
        }
    };
    return every(2000, signal, one, () => state('waiting'));
}
