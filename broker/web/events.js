/* SPDX-License-Identifier: MIT */
/* Events as they come. The table holds the newest; what comes faster than it can
 * be read is shown four times a second. */
import {h, fill} from './dom.js';
import {get, now, seg} from './api.js';
import {follow} from './live.js';
import {count, time, visible} from './format.js';
import {badge, field, groupLink, taskLink, text} from './parts.js';
import {Table} from './table.js';

const ROWS_MAX = 300;
const DRAW_MS = 250;
const PAST_MS = 600000; /* so far back it looks when it is opened */
const PAGES_MAX = 5;

const keyOf = (e) => `${e.group_name}/${e.cursor}`;

function table() {
    return new Table('Events, newest first', [
        {label: 'Time', class: 'nowrap', head: true, cell: (e) =>
            h('time', {datetime: e.at, title: e.at}, time(e.at, true).slice(11))},
        {label: 'What', class: 'nowrap', cell: (e) => visible(e.verb)},
        {label: 'State then', cell: (e) => badge(e.status)},
        {label: 'Task', cell: (e) => h('span', {class: 'line-cut'},
            text(e.function, 40), ' ', e.id ? taskLink(e) : '')},
        {label: 'Group', class: 'opt', cell: (e) => groupLink(e.group_name)},
        {label: 'Worker', class: 'opt', cell: (e) => text(e.worker, 60)},
        {label: 'Fence', class: 'opt mono', cell: (e) => (Number(e.fence) > 0
            ? e.fence : '')},
    ], {key: keyOf});
}

/* Those of the last few minutes, so that a quiet fleet has something to show.
 * The stream goes on from now; what both tell has one key. */
async function past(group, take, signal) {
    let after = `${now() - PAST_MS}-0.0`;
    for (let i = 0; i < PAGES_MAX; i++) {
        const told = await get('/events', {group_name: group, after, limit: 1000},
            signal);
        told.events.forEach(take);
        if (told.events.length < 1000 || told.cursor === after) return;
        after = told.cursor;
    }
}

/* Has one of its words the text? */
function fits(event, wanted) {
    if (!wanted) return true;
    const low = wanted.toLowerCase();
    return [event.verb, event.status, event.id, event.function, event.worker,
        event.group_name].some((w) => String(w ?? '').toLowerCase().includes(low));
}

export function page(ctx) {
    const group = ctx.query.get('group_name') ?? '';
    const rows = table();
    const seen = new Map(); /* key → event as they came; at most ROWS_MAX */
    const state = h('span', {class: 'badge', role: 'status'}, 'waiting');
    const note = h('p', {class: 'empty'}, 'Nothing yet. Events are kept for groups '
        + 'that have them on; see the group’s page.');
    const groupInput = h('input', {name: 'group_name', value: group,
        autocomplete: 'off', spellcheck: 'false'});
    const wanted = h('input', {name: 'text', type: 'search', autocomplete: 'off',
        placeholder: 'verb, state, id, function, worker', on: {input: () => draw()}});
    const stop = h('button', {type: 'button', 'aria-pressed': 'false', on: {click: () => {
        const on = stop.getAttribute('aria-pressed') !== 'true';
        stop.setAttribute('aria-pressed', String(on));
        stop.textContent = on ? 'Go on' : 'Hold';
        draw();
    }}}, 'Hold');
    const total = h('span', {class: 'muted'});
    let came = 0;
    let timer = null;

    const draw = () => {
        timer = null;
        total.textContent = `${count(came)} came`;
        if (stop.getAttribute('aria-pressed') === 'true') return;
        const list = [...seen.values()].reverse().filter((e) => fits(e, wanted.value))
            .sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
        rows.show(list);
        note.hidden = list.length > 0;
    };
    const take = (event) => {
        came += 1;
        seen.set(keyOf(event), event);
        if (seen.size > ROWS_MAX) seen.delete(seen.keys().next().value);
        timer ??= setTimeout(draw, DRAW_MS);
    };
    ctx.signal.addEventListener('abort', () => clearTimeout(timer));

    ctx.head('Events', state, total, stop);
    ctx.root.append(h('form', {class: 'card', on: {submit: (e) => {
        e.preventDefault();
        location.hash = `#/events${groupInput.value
            ? `?group_name=${seg(groupInput.value.trim())}` : ''}`;
    }}}, h('div', {class: 'fields'}, field('Only those that contain', wanted),
        field('Group', groupInput, {hint: 'Enter to change; empty: all groups'})),
    h('button', {type: 'submit', class: 'unseen'}, 'Change the group')),
    h('div', {class: 'card flush'}, rows.node, note));

    past(group, take, ctx.signal)
        .catch((e) => e.name === 'AbortError' || ctx.fail(e));
    follow(group, ctx.signal, take, (word) => {
        state.className = `badge ${word === 'live' ? 'live' : ''}`;
        fill(state, visible(word));
    });
}
