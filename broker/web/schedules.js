/* SPDX-License-Identifier: MIT */
/* What comes back by itself: by cron or by period, with its next times. */
import {fill, h, toast} from './dom.js';
import {get, now} from './api.js';
import {act} from './actions.js';
import {duration, time} from './format.js';
import {badge, button, field, fieldErrors, groupLink, taskLink, text, when}
    from './parts.js';
import {Table} from './table.js';

const PAGE = 100;

const zoneOf = (task) => task.timezone || 'UTC';

/* "0 6 * * 1-5, Europe/Berlin", "every 5m 00s" */
function rhythm(task) {
    if (task.cronline)
        return [h('code', null, text(task.cronline, 80)),
            h('span', {class: 'sub'}, text(zoneOf(task), 60))];
    return ['every ', duration(Number(task.period)), task.prevent_drift
        && h('span', {class: 'sub'}, 'on its grid')];
}

async function times(expression, timezone, signal, from) {
    const told = await get('/cron/next', {expression, timezone, from, count: 10},
        signal);
    return told.times;
}

function ol(list) {
    return h('ol', null, list.map((at) => h('li', null, time(at), ' ',
        h('span', {class: 'muted'}, '('), when(at), h('span', {class: 'muted'}, ')'))));
}

/* Its next ten times, when they are asked for. */
function nextTen(task, signal) {
    const place = h('div');
    const look = async () => {
        if (task.cronline) return times(task.cronline, zoneOf(task), signal);
        const first = Math.max(Date.parse(task.next_run_time), now());
        return Array.from({length: 10}, (_, i) =>
            new Date(first + i * Number(task.period) * 1000).toISOString());
    };
    return h('details', {'data-id': task.id, on: {toggle: async (e) => {
        if (!e.target.open) return;
        try {
            fill(place, ol(await look()));
        } catch (problem) {
            fill(place, h('span', {class: 'error'}, problem.message));
        }
    }}}, h('summary', null, 'Next ten'), place);
}

function buttons(task, look) {
    const one = (action, label, told) => button([label, h('span', {class: 'unseen'},
        ` ${task.id}`)], 'admin', async () => {
        await act(action, task);
        toast(told);
        await look();
    }, {class: 'small'});
    return h('div', {class: 'row'}, one('run-now', 'Run now', 'It is due now.'),
        task.disabled ? one('enable', 'Enable', 'It is enabled.')
            : one('disable', 'Disable', 'It stays queued until it is enabled.'));
}

/* Tries an expression before it is used. */
function trial(ctx) {
    const expression = h('input', {name: 'expression', required: true,
        placeholder: '30 6 * * 1-5', autocomplete: 'off', spellcheck: 'false'});
    const zone = h('input', {name: 'timezone', placeholder: 'UTC', autocomplete: 'off',
        value: Intl.DateTimeFormat().resolvedOptions().timeZone ?? ''});
    const found = h('div', {role: 'status'});
    const form = h('form', {class: 'card', on: {submit: async (e) => {
        e.preventDefault();
        fieldErrors(form, {});
        try {
            fill(found, ol(await times(expression.value, zone.value, ctx.signal)));
        } catch (problem) {
            fill(found);
            if (!Object.keys(problem.errors ?? {}).length)
                problem.errors = {expression: problem.message};
            fieldErrors(form, problem.errors);
        }
    }}}, h('h2', null, 'Try an expression'), h('div', {class: 'fields'},
        field('Cron expression', expression, {hint: 'minute hour day month weekday'}),
        field('Time zone', zone, {hint: 'shown below in your own zone'})),
    h('p', {class: 'row'}, h('button', {type: 'submit'}, 'Show its next ten times')),
    found);
    return form;
}

export function page(ctx) {
    let cursor = '';
    let next = null;
    const empty = h('p', {class: 'empty', hidden: true}, 'Nothing comes back by itself.');
    const more = h('button', {type: 'button', 'data-key': 'n', on: {click: () => {
        cursor = next;
        look().catch((e) => ctx.fail(e));
    }}}, 'Next ›');
    const first = h('button', {type: 'button', 'data-key': 'p', on: {click: () => {
        cursor = '';
        look().catch((e) => ctx.fail(e));
    }}}, '‹ To the first');
    const look = async () => {
        const opened = new Set([...rows.body.querySelectorAll('details[open]')]
            .map((d) => d.dataset.id));
        const found = [];
        let at = cursor;
        let scanned = 0;
        for (let i = 0; i < 8; i++) {
            const told = await get('/tasks', {scheduled: 1, limit: PAGE - found.length,
                cursor: at}, ctx.signal);
            found.push(...told.tasks);
            scanned += told.scanned ?? 0;
            at = told.cursor;
            if (!at || found.length >= PAGE) break;
        }
        next = at ?? null;
        rows.show(found);
        for (const d of rows.body.querySelectorAll('details'))
            if (opened.has(d.dataset.id) && !d.open) d.open = true;
        more.disabled = !next;
        first.disabled = !cursor;
        empty.hidden = found.length > 0;
        empty.textContent = next ? `Nothing among the ${scanned} looked at so far.`
            : 'Nothing comes back by itself.';
    };
    const rows = new Table('Schedules', [
        {label: 'Task', head: true, cell: (t) => [text(t.function, 60),
            t.task_name !== t.function && [' ', h('span', {class: 'muted'},
                text(t.task_name, 60))], h('span', {class: 'sub'}, taskLink(t))]},
        {label: 'State', cell: (t) => [badge(t.status), ' ',
            t.disabled && badge('disabled')]},
        {label: 'Rhythm', cell: rhythm},
        {label: 'Group', class: 'opt', cell: (t) => groupLink(t.group_name)},
        {label: 'Last run', class: 'opt', cell: (t) => when(t.last_run_time, 'never')},
        {label: 'Next run', cell: (t) => [when(t.next_run_time),
            nextTen(t, ctx.signal)]},
        {say: 'What can be done', cell: (t) => buttons(t, look)},
    ], {key: (t) => `${t.group_name}/${t.id}`});
    ctx.head('Schedules');
    ctx.root.append(h('div', {class: 'card flush'}, rows.node, empty,
        h('div', {class: 'pager'}, first, more)), trial(ctx));
    ctx.every(5000, look);
}
