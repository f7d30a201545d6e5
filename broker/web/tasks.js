/* SPDX-License-Identifier: MIT */
/* Tasks: searched, a page at a time, and acted on. A page is 100 tasks however
 * many there are; what the server looks at for it is bounded, and told. */
import {fill, h, say, toast} from './dom.js';
import {get} from './api.js';
import {ACTIONS, actOnAll, actOnSome} from './actions.js';
import {count, short, tasks as some} from './format.js';
import {address, filterForm, read} from './filter.js';
import {STATES, badge, button, groupLink, select, taskLink, text, when} from './parts.js';
import {Table} from './table.js';

const PAGE = 100;
const CALLS_MAX = 8; /* for one page of a filter that matches little */

const keyOf = (task) => `${task.group_name}/${task.id}`;

/* What is passed to a task, in a line. */
function payload(task) {
    const parts = [];
    if (task.args?.length) parts.push(JSON.stringify(task.args));
    if (task.vars && Object.keys(task.vars).length)
        parts.push(JSON.stringify(task.vars));
    return parts.join(' ');
}

function named(task) {
    return [text(task.function, 60), task.task_name !== task.function
        && [' ', h('span', {class: 'muted'}, text(task.task_name, 60))],
    h('span', {class: 'sub line-cut'}, taskLink(task), ' ',
        payload(task) && h('span', {class: 'mono'}, text(payload(task), 120)))];
}

/* The moment that matters in the task's state. */
function moment(task) {
    if (task.status === 'QUEUED' || task.status === 'ASSIGNED')
        return [when(task.next_run_time), h('span', {class: 'sub'}, 'next run')];
    return [when(task.last_run_time), h('span', {class: 'sub'},
        task.status === 'RUNNING' ? 'started' : 'last run')];
}

class List {
    constructor(ctx) {
        this.ctx = ctx;
        this.chosen = new Map(); /* key → task */
        this.stack = [];         /* cursors of the pages before this one */
        this.filter = {};
        this.cursor = '';
        this.next = null;
        this.loading = null;
        this.head = h('input', {type: 'checkbox',
            on: {change: () => this.chooseAll(this.head.checked)}});
        this.table = new Table('Tasks', this.columns(), {key: keyOf,
            row: (task) => (this.chosen.has(keyOf(task)) ? 'chosen' : '')});
        fill(this.table.node.querySelector('thead th'), h('label', {class: 'check'},
            this.head, h('span', null, 'Choose this page')));
        this.form = filterForm((filter) => this.go(filter));
        this.tabs = h('div', {class: 'tabs', role: 'navigation',
            'aria-label': 'Tasks by state'});
        this.told = h('p', {class: 'empty', role: 'status'});
        this.build();
    }

    columns() {
        return [
            {say: 'Choose', class: 'pick early', cell: (task) => h('input', {
                type: 'checkbox', checked: this.chosen.has(keyOf(task)),
                'aria-label': `Choose ${short(task.function, 40)} ${task.id}`,
                on: {change: (e) => this.choose(task, e.target)}})},
            {label: 'State', class: 'early', cell: (task) => badge(task.status)},
            {label: 'Task', class: 'roomy', head: true, cell: named},
            {label: 'Group', class: 'opt', cell: (task) => groupLink(task.group_name)},
            {label: 'When', class: 'nowrap early end', cell: moment},
            {label: 'Runs', class: 'num opt', cell: (task) => [count(task.times_run),
                task.times_failed > 0 && h('span', {class: 'sub bad-text'},
                    `${count(task.times_failed)} failed`)]},
            {label: 'Why, by whom', class: 'opt', cell: (task) => [
                text(task.error || task.reason || '', 120),
                task.worker && h('span', {class: 'sub'}, text(task.worker, 50))]},
        ];
    }

    build() {
        this.scope = select('scope', [['some', 'the chosen'], ['all', 'all that match']],
            'some', {class: 'inline'});
        this.prev = h('button', {type: 'button', 'data-key': 'p',
            on: {click: () => this.back()}}, '‹ Previous');
        this.more = h('button', {type: 'button', 'data-key': 'n',
            on: {click: () => this.forth()}}, 'Next ›');
        this.live = h('input', {type: 'checkbox', checked: true});
        this.where = h('span', {class: 'muted'});
        const bulk = h('div', {class: 'row', role: 'group',
            'aria-label': 'Act on several tasks'},
        h('label', {class: 'inline'}, 'With', this.scope),
        Object.entries(ACTIONS).map(([action, a]) => button(a.label, 'admin',
            () => this.act(action), {class: a.danger ? 'small danger' : 'small'})));
        this.ctx.head('Tasks', h('label', {class: 'check'}, this.live, 'Live'),
            h('a', {class: 'button', href: '#/queue'}, 'Queue a task'));
        this.ctx.root.append(this.form.node, this.tabs,
            h('div', {class: 'card flush'},
                h('div', {class: 'pager top-bar'}, bulk), this.table.node, this.told,
                h('div', {class: 'pager'}, this.prev, this.more, this.where)));
    }

    /* Shows what the address says. */
    update(query) {
        const filter = read(query);
        const same = JSON.stringify(filter) === JSON.stringify(this.filter);
        const cursor = query.get('cursor') ?? '';
        if (!same) {
            this.stack = [];
            this.chosen.clear();
            this.scope.value = 'some';
        }
        const at = this.stack.indexOf(cursor);
        if (at >= 0) this.stack.length = at;
        else if (same && cursor && cursor !== this.cursor) this.stack.push(this.cursor);
        this.filter = filter;
        this.cursor = cursor;
        this.form.set(filter);
        this.drawTabs();
        this.look(true).catch((e) => this.fail(e));
        if (query.get('find')) this.form.search.focus();
    }

    fail(e) {
        if (e.name === 'AbortError') return;
        this.told.hidden = false;
        this.told.textContent = e.message;
    }

    go(filter) {
        location.hash = address(filter, '');
        if (JSON.stringify(filter) === JSON.stringify(this.filter))
            this.look(true).catch((e) => this.fail(e));
    }

    back() {
        const to = this.stack.length ? this.stack.at(-1) : '';
        location.hash = address(this.filter, to);
    }

    forth() {
        if (this.next) location.hash = address(this.filter, this.next);
    }

    drawTabs() {
        const tab = (label, status) => {
            const here = (this.filter.status ?? '') === status;
            return h('a', {href: address({...this.filter, status}, ''),
                'aria-current': here ? 'page' : null}, label);
        };
        fill(this.tabs, tab('All', ''), STATES.map((w) =>
            tab(w[0] + w.slice(1).toLowerCase(), w)));
    }

    /* One page: more calls while they bring little, and not for ever. */
    async fetch(signal) {
        const found = [];
        let cursor = this.cursor;
        let scanned = 0;
        for (let i = 0; i < CALLS_MAX; i++) {
            const got = await get('/tasks', {...this.filter,
                limit: PAGE - found.length, cursor}, signal);
            found.push(...got.tasks);
            scanned += got.scanned ?? 0;
            cursor = got.cursor ?? null;
            if (!cursor || found.length >= PAGE) break;
        }
        return {found, scanned, next: cursor};
    }

    async look(anew) {
        this.loading?.abort();
        const mine = new AbortController();
        this.loading = mine;
        this.table.node.setAttribute('aria-busy', 'true');
        try {
            const {found, scanned, next} = await this.fetch(
                AbortSignal.any([mine.signal, this.ctx.signal]));
            this.next = next;
            this.items = found;
            this.table.show(found);
            this.drawEnds(found, scanned);
            if (anew) say(`${some(found.length)} on this page`);
        } finally {
            if (this.loading === mine) this.table.node.removeAttribute('aria-busy');
        }
    }

    drawEnds(found, scanned) {
        this.prev.disabled = !this.cursor;
        this.prev.textContent = this.stack.length ? '‹ Previous' : '‹ To the first';
        this.more.disabled = !this.next;
        this.more.textContent = this.next && found.length < PAGE
            ? 'Search on ›' : 'Next ›';
        this.told.hidden = found.length > 0;
        this.told.textContent = this.next
            ? `Nothing among the ${count(scanned)} looked at so far.`
            : 'No task matches.';
        this.where.textContent = `Page ${this.stack.length + 1}: ${some(found.length)}`
            + (scanned > found.length ? ` of ${count(scanned)} looked at` : '');
        this.drawChosen();
    }

    choose(task, box) {
        if (box.checked) this.chosen.set(keyOf(task), task);
        else this.chosen.delete(keyOf(task));
        box.closest('tr').className = box.checked ? 'chosen' : '';
        this.drawChosen();
    }

    chooseAll(on) {
        for (const box of this.table.body.querySelectorAll('.pick input'))
            if (box.checked !== on) box.click();
    }

    drawChosen() {
        const n = this.chosen.size;
        const here = (this.items ?? []).filter((t) => this.chosen.has(keyOf(t))).length;
        this.scope.options[0].textContent = n ? `the ${count(n)} chosen` : 'the chosen';
        this.head.checked = here > 0 && here === this.items.length;
        this.head.indeterminate = here > 0 && here < this.items.length;
    }

    async act(action) {
        const all = this.scope.value === 'all';
        if (!all && !this.chosen.size) {
            toast('Choose tasks first, or “all that match”.', true);
            return;
        }
        const did = all ? await actOnAll(action, this.filter)
            : await actOnSome(action, [...this.chosen.values()]);
        if (!did) return;
        this.chosen.clear();
        this.scope.value = 'some';
        this.table.rows.clear();
        await this.look(true);
    }

    /* Again by itself, but not under a reader's hands. */
    again() {
        if (!this.live.checked || this.chosen.size || document.querySelector('dialog[open]')
            || this.cursor) return null;
        return this.look(false);
    }
}

export function page(ctx) {
    const list = new List(ctx);
    list.update(ctx.query);
    let first = true;
    ctx.every(4000, async () => {
        if (!first) await list.again();
        first = false;
    });
    return (query) => list.update(query);
}
