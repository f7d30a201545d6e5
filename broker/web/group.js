/* SPDX-License-Identifier: MIT */
/* One group: its numbers, its past, its functions, and what changes it. */
import {fill, h, redraw, say, toast} from './dom.js';
import {get, post, seg} from './api.js';
import {carryOut, countFirst} from './actions.js';
import {confirm, number} from './dialog.js';
import {brief, count, duration, tasks, visible} from './format.js';
import {charts, history, spanChoice} from './history.js';
import {badge, button, select, text, tile} from './parts.js';
import {pauseButton} from './groups.js';
import {Table} from './table.js';

const PURGED = ['QUEUED', 'COMPLETED', 'FAILED', 'TIMEOUT', 'STOPPED', 'EXPIRED'];
let span = 'hour';

const quantile = (label, name, q, cls = 'num opt') => ({label, class: cls,
    cell: (f) => (f[name]?.count ? duration(f[name][q]) : '–')});

function functionsTable() {
    const counted = (label, name, cls = 'num') => ({label, class: cls,
        cell: (f) => count(f[name])});
    return new Table('Functions, since the start', [
        {label: 'Function', head: true, cell: (f) => text(f.function, 80)},
        counted('Started', 'started', 'num opt'),
        counted('Completed', 'completed'),
        {label: 'Failed', class: 'num', cell: (f) => h('span',
            {class: f.failed + f.timeout ? 'bad-text' : ''},
            count(f.failed + f.timeout))},
        quantile('Queue p50', 'queue_time', 'p50_s'),
        quantile('p95', 'queue_time', 'p95_s'),
        quantile('p99', 'queue_time', 'p99_s'),
        quantile('Run p50', 'run_time', 'p50_s'),
        quantile('p95', 'run_time', 'p95_s', 'num'),
        quantile('p99', 'run_time', 'p99_s'),
    ], {key: (f) => f.function, shownCaption: true});
}

function tiles(g) {
    const at = `#/tasks?group_name=${seg(g.group_name)}&status=`;
    return [
        tile('Due', count(g.due), `${count(g.queued)} queued in all`,
            {href: `${at}QUEUED`}),
        tile('Running', count(g.running), `${count(g.assigned)} assigned`,
            {href: `${at}RUNNING`}),
        tile('Completed', brief(g.completed), `${count(g.retained)} still kept`,
            {href: `${at}COMPLETED`}),
        tile('Failed', brief((g.failed ?? 0) + (g.timeout ?? 0)),
            `${count(g.timeout)} of them timed out`, {href: `${at}FAILED,TIMEOUT`}),
        tile('Stopped, expired', count((g.stopped ?? 0) + (g.expired ?? 0)),
            `${count(g.expired)} expired`, {href: `${at}STOPPED,EXPIRED`}),
        tile('Oldest due', duration(g.oldest_due_s), g.due > 0
            ? `clear in ${duration(g.time_to_clear_s)}` : 'nothing is due'),
        tile('Workers', count(g.workers), g.unknown
            ? `${tasks(g.unknown)} none of them knows` : 'serve it',
        {href: '#/workers', bad: g.due > 0 && g.workers === 0}),
        tile('Held back', count((g.disabled ?? 0) + (g.waiting ?? 0)),
            `${count(g.disabled)} disabled, ${count(g.waiting)} wait for others`),
    ];
}

/* Counts, asks for the group's name, deletes. */
async function purge(name, look) {
    const status = select('status', PURGED.map((w) => [w, w]), 'QUEUED',
        {'aria-label': 'State of the tasks to delete'});
    const go = await confirm('Purge: which tasks?',
        'Those of one state are deleted, with their runs and results. '
        + 'They are counted first.', 'Count them', {more: status});
    if (!go) return;
    const path = `/groups/${seg(name)}/purge`;
    const body = {status: status.value};
    const n = await countFirst(path, body);
    if (n === null) return;
    if (n === 0) {
        toast(`No task of it is ${body.status}.`);
        return;
    }
    const sure = await confirm(`Delete ${tasks(n)}?`,
        `All that are ${body.status} in the group. This cannot be undone.`,
        `Delete ${tasks(n)}`, {danger: true, typed: name});
    if (!sure) return;
    const sum = await carryOut('Purging', path, body, n);
    const told = `${tasks(sum.done)} deleted.`;
    toast(told);
    say(told);
    await look();
}

/* The group's buttons, as it is now. */
function tools(g, look) {
    const path = `/groups/${seg(g.group_name)}`;
    return [
        pauseButton(g, look),
        button(g.events ? 'Events off' : 'Events on', 'admin', async () => {
            await post(`${path}/events`, {keep: g.events ? 0 : 2000});
            toast(g.events ? 'Its events are no longer kept.'
                : 'The last 2,000 of its events are kept.');
            await look();
        }),
        button('Parts…', 'admin', async () => {
            const n = await number('Parts of the group',
                'In so many parts, which a Redis Cluster spreads over its nodes',
                g.parts || 1, 1, 64, 'Set');
            if (n === null) return;
            await post(`${path}/parts`, {parts: n});
            toast(`The group has ${count(n)} ${n === 1 ? 'part' : 'parts'}.`);
            await look();
        }),
        button('Purge…', 'admin', () => purge(g.group_name, look), {class: 'danger'}),
    ];
}

export function page(ctx) {
    const [name] = ctx.params;
    const state = h('span');
    const places = h('div', {class: 'row'});
    const row = h('dl', {class: 'tiles'});
    const plots = charts();
    const functions = functionsTable();
    const none = h('p', {class: 'empty', hidden: true}, 'Nothing of it has started yet.');
    let shown = '';

    const past = async () => plots.show(await history([name], span, ctx.signal));
    const look = async () => {
        const g = await get(`/groups/${seg(name)}`, null, ctx.signal);
        redraw(row, tiles(g));
        fill(state, g.paused ? badge('paused') : null);
        const now = JSON.stringify([g.paused, g.events, g.parts]);
        if (now !== shown) redraw(places, tools(g, look));
        shown = now;
    };
    ctx.head(visible(name), state, places, spanChoice(span, (value) => {
        span = value;
        past().catch((e) => ctx.fail(e));
    }));
    ctx.root.append(row, h('div', {class: 'tabs'},
        h('a', {href: `#/tasks?group_name=${seg(name)}`}, 'Its tasks'),
        h('a', {href: `#/events?group_name=${seg(name)}`}, 'Its events'),
        h('a', {href: `#/queue?group_name=${seg(name)}`}, 'Queue a task into it')),
    plots.node, h('div', {class: 'card flush'}, functions.node, none));
    ctx.every(2000, look);
    ctx.every(10000, past);
    ctx.every(5000, async () => {
        const told = await get(`/groups/${seg(name)}/functions`, null, ctx.signal);
        functions.show(told.functions);
        none.hidden = told.functions.length > 0;
    });
}
