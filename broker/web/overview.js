/* SPDX-License-Identifier: MIT */
/* Is it well? Rates, depth, age and latencies of all groups, and what needs a
 * hand. */
import {fresh, h, redraw} from './dom.js';
import {get, seg} from './api.js';
import {brief, count, duration, rate, tasks} from './format.js';
import {charts, history, spanChoice} from './history.js';
import {groupsTable} from './groups.js';
import {select, spark, text, tile} from './parts.js';

const KEPT = 60;        /* live rates that are kept */
const GROUPS_MAX = 12;  /* whose history is put together */
const recent = {at: 0, done: null, failed: null, rates: [], failures: []};
let span = 'hour';
let only = '';

/* Rates are the differences of two looks. A counter that went down was another
 * Redis, or a group that is gone: no rate is told for that step. */
function measure(told) {
    const {totals} = told;
    const at = Date.parse(told.now);
    const done = totals.completed ?? 0;
    const failed = (totals.failed ?? 0) + (totals.timeout ?? 0);
    const s = (at - recent.at) / 1000;
    if (recent.done !== null && s > 0.2) {
        if (s < 30 && done >= recent.done && failed >= recent.failed) {
            recent.rates.push((done - recent.done) / s);
            recent.failures.push((failed - recent.failed) / s);
            recent.rates.splice(0, recent.rates.length - KEPT);
            recent.failures.splice(0, recent.failures.length - KEPT);
        } else {
            recent.rates.length = 0;
            recent.failures.length = 0;
        }
    }
    if (recent.done === null || s > 0.2) Object.assign(recent, {at, done, failed});
}

/* The mean of the last few, so that the number can be read. */
function settled(values) {
    const some = values.slice(-5);
    return some.length ? some.reduce((a, b) => a + b, 0) / some.length : null;
}

function alert(bad, name, href, sentence) {
    return h('li', {class: bad ? 'notice bad' : 'notice warn'},
        h('b', null, bad ? 'Needs a hand' : 'Note'),
        h('a', {href}, text(name, 60)), h('span', null, sentence));
}

function alerts(told) {
    const list = [];
    for (const g of told.groups) {
        const href = `#/groups/${seg(g.group_name)}`;
        if (g.due > 0 && g.workers === 0 && !g.paused)
            list.push(alert(true, g.group_name, href,
                `${tasks(g.due)} due and no worker takes them.`));
        if (g.unknown > 0)
            list.push(alert(true, g.group_name, href,
                `${tasks(g.unknown)} of a function that no live worker knows.`));
        if (g.paused)
            list.push(alert(false, g.group_name, href,
                `paused, ${tasks(g.due)} due.`));
    }
    if (told.workers.dead > 0)
        list.push(alert(true, 'workers', '#/workers', `${count(told.workers.dead)} dead: `
            + 'no sign of life; what they held goes to others.'));
    return list.sort((a, b) => b.classList.contains('bad') - a.classList.contains('bad'));
}

function tiles(told) {
    const t = told.totals;
    const w = told.workers;
    const oldest = Math.max(0, ...told.groups.map((g) => g.oldest_due_s ?? 0));
    const clear = Math.max(0, ...told.groups.map((g) => g.time_to_clear_s ?? 0));
    return [
        tile('Completed', rate(settled(recent.rates)), `${brief(t.completed ?? 0)} in all`,
            {extra: spark(recent.rates, 's4'), href: '#/tasks?status=COMPLETED'}),
        tile('Failed', rate(settled(recent.failures)),
            `${brief((t.failed ?? 0) + (t.timeout ?? 0))} in all`,
            {extra: spark(recent.failures, 's3'), href: '#/tasks?status=FAILED,TIMEOUT',
                bad: settled(recent.failures) > 0}),
        tile('Due', brief(t.due ?? 0), `${brief(t.queued ?? 0)} queued in all`,
            {href: '#/tasks?status=QUEUED'}),
        tile('Running', brief(t.running ?? 0),
            `of ${brief(w.concurrency)} places; ${brief(t.assigned ?? 0)} assigned`,
            {href: '#/tasks?status=RUNNING'}),
        tile('Oldest due', duration(oldest),
            clear > 0 ? `clear in about ${duration(clear)}` : 'waiting now'),
        tile('Workers', brief(w.live), w.dead ? `${count(w.dead)} dead` : 'all live',
            {href: '#/workers', bad: w.dead > 0}),
    ];
}

/* The groups whose history is shown: the one that was chosen, or the fullest. */
function chosen(groups) {
    if (groups.some((g) => g.group_name === only)) return [only];
    const weight = (g) => (g.due ?? 0) + (g.running ?? 0) + (g.completed ?? 0) / 1e6;
    return [...groups].sort((a, b) => weight(b) - weight(a)).slice(0, GROUPS_MAX)
        .map((g) => g.group_name);
}

export function page(ctx) {
    let last = null; /* the last answer */
    const notes = h('ul', {class: 'alerts', 'aria-label': 'What needs a hand'});
    const row = h('dl', {class: 'tiles'});
    const plots = charts();
    const table = groupsTable('Groups', true);
    const which = h('span', {class: 'row'});
    let names = '';

    const past = async () => {
        if (!last?.groups.length) return;
        const list = chosen(last.groups);
        plots.show(await history(list, span, ctx.signal));
    };
    const choice = (groups) => {
        const found = groups.map((g) => g.group_name).sort();
        if (found.join('\n') === names) return;
        names = found.join('\n');
        const id = fresh('groups');
        redraw(which, h('label', {for: id, class: 'inline'}, 'Groups'), select('group', [['', found.length > GROUPS_MAX
            ? `the ${GROUPS_MAX} fullest groups` : 'all groups'],
        ...found.map((n) => [n, n])], only, {id, class: 'inline', on: {change: (e) => {
            only = e.target.value;
            past().catch((problem) => ctx.fail(problem));
        }}}));
    };

    ctx.head('Overview', spanChoice(span, (value) => {
        span = value;
        past().catch((e) => ctx.fail(e));
    }), which);
    ctx.root.append(notes, row, plots.node, h('div', {class: 'card flush'}, table.node));

    ctx.every(2000, async () => {
        const told = await get('/overview', null, ctx.signal);
        const first = !last;
        last = told;
        measure(told);
        redraw(notes, alerts(told));
        notes.hidden = !notes.children.length;
        redraw(row, tiles(told));
        choice(told.groups);
        table.show(told.groups);
        if (first) await past();
    });
    ctx.every(10000, past);
}
