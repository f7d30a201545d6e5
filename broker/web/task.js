/* SPDX-License-Identifier: MIT */
/* One task: what it is, what became of it, why it does not run, and what can be
 * done about it. Its output follows while it runs. */
import {h, isMarked, redraw, toast} from './dom.js';
import {get, seg} from './api.js';
import {ACTIONS, actOnOne} from './actions.js';
import {count, duration, pretty, short, tasks as some, time, visible} from './format.js';
import {graph} from './graph.js';
import {ENDED, badge, button, facts, groupLink, moment, text, when} from './parts.js';
import {Table} from './table.js';

const TEXT_MAX = 400000; /* characters of output that are shown */

/* Text of a run; the end is what matters. */
function shownText(value) {
    const all = visible(value);
    return all.length <= TEXT_MAX ? all
        : `… ${count(all.length - TEXT_MAX)} characters before …\n${
            all.slice(-TEXT_MAX)}`;
}

function block(title, value, cls) {
    if (value === undefined || value === null || value === '') return null;
    return h('section', {class: 'card'}, h('h2', null, title),
        h('pre', {tabindex: 0, class: cls ?? '', 'aria-label': title}, value));
}

function copyButton(id) {
    return h('button', {type: 'button', class: 'small', on: {click: async () => {
        try {
            await navigator.clipboard.writeText(id);
            toast('The id was copied.');
        } catch {
            toast('The browser does not let the page copy; the id is in the address.',
                true);
        }
    }}}, 'Copy', h('span', {class: 'unseen'}, ' the id'));
}

/* Which actions make sense for it as it is now. */
function fitting(task) {
    const ended = ENDED.includes(task.status);
    return Object.keys(ACTIONS).filter((name) => {
        const a = ACTIONS[name];
        if (name === 'delete') return task.status !== 'RUNNING' && task.status !== 'ASSIGNED';
        if (name === 'enable') return task.disabled === true;
        if (name === 'disable') return !ended && task.disabled !== true;
        if (a.ended) return ended;
        if (a.waiting) return task.status === 'QUEUED';
        return !ended;
    });
}

function progressOf(task) {
    const p = task.progress;
    if (!p || ENDED.includes(task.status)) return null;
    const known = p.percent !== null && p.percent !== undefined;
    return h('div', {class: 'notice'}, h('progress', {max: 100,
        value: known ? String(p.percent) : null, 'aria-label': 'Progress'}),
    h('span', null, known ? `${Math.round(p.percent)} %  ` : '', text(p.text, 200)));
}

/* Fields that are shown apart, or are known by the heading. */
const APART = new Set(['id', 'function', 'status', 'args', 'vars', 'result', 'output',
    'error', 'runs', 'progress', 'group_name', 'task_name', 'start_time', 'stop_time',
    'next_run_time', 'last_run_time', 'times_run', 'times_failed', 'worker', 'reason',
    'tags', 'cut']);

function allFacts(task) {
    const value = (v) => (typeof v === 'string' ? text(v, 300)
        : h('code', null, short(JSON.stringify(v), 300)));
    const rest = Object.entries(task).filter(([name, v]) => !APART.has(name)
        && v !== null && v !== '' && v !== false && !(Array.isArray(v) && !v.length));
    const ended = ENDED.includes(task.status);
    return facts([
        ['Id', [h('span', {class: 'mono'}, task.id), ' ', copyButton(task.id)]],
        ['Group', groupLink(task.group_name)],
        ['Label', task.task_name !== task.function && text(task.task_name)],
        ['Tags', task.tags?.length > 0 && task.tags.map((tag) => [h('a', {class: 'chip',
            href: `#/tasks?tag=${seg(tag)}`}, text(tag, 60)), ' '])],
        ['Not before', moment(task.start_time)],
        ['Not after', task.stop_time && moment(task.stop_time)],
        ['Next run', !ended && moment(task.next_run_time)],
        ['Last run', task.last_run_time && moment(task.last_run_time)],
        ['Runs', `${count(task.times_run)} successful, ${count(task.times_failed)} `
            + 'failed since'],
        ['Worker', task.worker && text(task.worker)],
        ['Reason', task.reason && text(task.reason, 600)],
        ...rest.map(([name, v]) => [name.replaceAll('_', ' ').replace(/^./,
            (c) => c.toUpperCase()), value(v)])].filter(([, v]) => v !== false));
}

function runsTable() {
    return new Table('Runs, newest first', [
        {label: 'State', cell: (r) => badge(r.status)},
        {label: 'Started', head: true, cell: (r) => when(r.start_time)},
        {label: 'Took', class: 'num', cell: (r) => (r.stop_time ? duration(
            (Date.parse(r.stop_time) - Date.parse(r.start_time)) / 1000) : '–')},
        {label: 'Worker', class: 'opt', cell: (r) => text(r.worker, 60)},
        {label: 'Fence', class: 'opt mono', cell: (r) => r.run_id.split('@')[1] ?? ''},
        {label: 'What it left', class: 'wordy', cell: (r) => [r.error
            && h('span', {class: 'bad-text'}, text(r.error, 200)),
        runDetails(r)]},
    ], {key: (r) => r.run_id});
}

function runDetails(r) {
    const parts = [['Output', r.output && shownText(r.output)],
        ['Result', r.result !== null && r.result !== undefined && pretty(r.result)],
        ['Evidence', r.evidence && pretty(r.evidence)]].filter(([, v]) => v);
    if (!parts.length) return r.error ? null : '–';
    return h('details', null, h('summary', null, parts.map(([name]) => name).join(', ')),
        parts.map(([name, v]) => [h('h3', null, name), h('pre', {tabindex: 0,
            'aria-label': `${name} of the run`}, v)]));
}

/* The time, with its day only if that is not today. */
function clockTime(at) {
    const all = time(at, true);
    const today = time(new Date().toISOString()).slice(0, 10);
    return h('time', {datetime: at, title: `${all} (${at})`, class: 'nowrap'},
        all.startsWith(today) ? all.slice(11) : all);
}

function timeline(told) {
    return [h('ol', {class: 'timeline'}, told.events.map((e) => h('li', {
        class: /^[A-Z]+$/.test(e.status ?? '') ? e.status : ''},
    badge(e.status), ' ', h('b', null, text(e.verb, 60)), ' ',
    e.text && text(e.text, 300),
    h('div', {class: 'when'}, clockTime(e.at), e.worker && [' · ', text(e.worker, 60)],
        Number(e.fence) > 0 && [' · ', h('span', {class: 'nowrap'}, 'fence ',
            h('span', {class: 'mono'}, e.fence))])))),
    !told.complete && h('p', {class: 'muted'}, 'The beginning is no longer kept: this '
        + 'is what the event stream and the runs still hold.')];
}

/* A copy of it, for the form that queues tasks. */
function again(task) {
    const like = {function: task.function, group_name: task.group_name,
        args: JSON.stringify(task.args, null, 1),
        vars: JSON.stringify(task.vars, null, 1)};
    if (task.task_name !== task.function) like.task_name = task.task_name;
    for (const name of ['timeout', 'repeats', 'period', 'cronline', 'timezone',
        'priority', 'tags', 'retry_failed'])
        if (task[name]) like[name] = task[name];
    sessionStorage.setItem('stint.like', JSON.stringify(like));
    location.hash = '#/queue?like=1';
}

class View {
    constructor(ctx) {
        this.ctx = ctx;
        /* An id alone is looked up in every group. */
        [this.id, this.group] = [...ctx.params].reverse();
        this.path = `/tasks/${seg(this.id)}`;
        this.fields = {group_name: this.group};
        this.texts = {}; /* what stands where, so that it is drawn only when it changed */
        for (const name of ['state', 'tools', 'progress', 'why', 'facts', 'args', 'vars',
            'result', 'error', 'time', 'graph'])
            this[name] = h(name === 'state' || name === 'tools' ? 'span' : 'div');
        this.tools.className = 'row';
        this.pre = h('pre', {tabindex: 0, 'aria-label': 'Output'});
        this.output = h('section', {class: 'card', hidden: true},
            h('h2', null, 'Output'), this.pre);
        this.runs = runsTable();
        this.heading = ctx.head(short(this.id, 40), this.state, this.tools);
        this.build();
    }

    build() {
        const card = (title, node) => h('section', {class: 'card'},
            h('h2', null, title), node);
        this.lineage = card('Dependencies', this.graph);
        this.lineage.hidden = true;
        this.ctx.root.append(this.progress, this.why, this.error,
            h('div', {class: 'grid two gap'}, card('Task', this.facts),
                card('Timeline', this.time)),
            this.output, this.result,
            h('div', {class: 'grid two'}, this.args, this.vars), this.lineage,
            h('section', {class: 'card flush'}, h('h2', null, 'Runs'), this.runs.node));
    }

    /* Draws a part if what it shows is new. */
    put(name, value, make) {
        const text = JSON.stringify(value) ?? '';
        if (this.texts[name] === text || isMarked(this[name])) return;
        this.texts[name] = text;
        redraw(this[name], make());
    }

    show(task) {
        this.task = task;
        this.group = task.group_name;
        const title = short(task.function, 60);
        if (this.heading.textContent !== title) {
            this.heading.textContent = title;
            document.title = `${title} · ${task.status} · Stint`;
        }
        this.put('state', task.status, () => badge(task.status));
        this.put('tools', [task.status, task.disabled], () => this.buttons(task));
        this.put('progress', task.progress, () => progressOf(task));
        this.put('error', task.error, () => block('Error',
            task.error && shownText(task.error), 'error'));
        this.put('facts', {...task, output: '', runs: '', at: Math.floor(Date.now() / 5000)},
            () => allFacts(task));
        this.put('args', task.args, () => block('Arguments', pretty(task.args)));
        this.put('vars', task.vars, () => Object.keys(task.vars ?? {}).length > 0
            && block('Named arguments', pretty(task.vars)));
        this.put('result', task.result, () => task.result !== null
            && task.result !== undefined && block('Result', pretty(task.result)));
        this.runs.show(task.runs ?? []);
        this.follow(task.output);
    }

    /* Keeps to the end of the output as long as the reader is there. */
    follow(output) {
        const value = output ? shownText(output) : '';
        this.output.hidden = !value;
        if (this.pre.textContent === value) return;
        const atEnd = this.pre.scrollHeight - this.pre.scrollTop
            - this.pre.clientHeight < 30;
        this.pre.textContent = value;
        if (atEnd) this.pre.scrollTop = this.pre.scrollHeight;
    }

    buttons(task) {
        return [...fitting(task).map((name) => button(ACTIONS[name].label, 'admin',
            async () => {
                if (!await actOnOne(name, task)) return;
                if (name === 'delete') location.hash = '#/tasks';
                else await this.look();
            }, {class: ACTIONS[name].danger ? 'danger' : ''})),
        button('Queue again…', 'queue', () => again(task))];
    }

    async look() {
        const {signal} = this.ctx;
        const task = await get(this.path, {...this.fields, output: 1, runs: 1}, signal);
        this.show(task);
        const waits = !ENDED.includes(task.status) && task.status !== 'RUNNING';
        const told = waits ? await get(`${this.path}/why`, this.fields, signal) : null;
        this.put('why', told && [told.reason, told.ahead], () => told && h('p',
            {class: 'notice'}, h('b', null, 'Why it does not run: '),
            text(told.reason, 600), told.ahead > 0
                && ` ${some(told.ahead)} ahead of it`,
            told.about_s > 0 && `, about ${duration(told.about_s)}`));
        /* It may be long: only when something happened. */
        const runs = (task.runs ?? []).map((r) => r.run_id + r.status);
        const state = JSON.stringify([task.status, task.next_run_time, runs]);
        if (state === this.state_told) return;
        const past = await get(`${this.path}/timeline`, this.fields, signal);
        this.put('time', past, () => timeline(past));
        this.state_told = state;
    }

    async lookAround() {
        const {nodes} = await get(`${this.path}/graph`, this.fields, this.ctx.signal);
        this.put('graph', nodes, () => graph(nodes, {id: this.id,
            group_name: this.group}));
        this.lineage.hidden = !this.graph.firstChild;
    }
}

export function page(ctx) {
    const view = new View(ctx);
    ctx.every(1000, async () => {
        await view.look();
    });
    ctx.every(5000, () => view.lookAround());
}
