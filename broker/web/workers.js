/* SPDX-License-Identifier: MIT */
/* The fleet: who is there, how busy, since when silent, and commands for it. */
import {fill, h, toast} from './dom.js';
import {get, post, seg} from './api.js';
import {confirm} from './dialog.js';
import {bytes, count, duration, short, shortId} from './format.js';
import {badge, bar, button, facts, groupLink, text, when} from './parts.js';
import {Table} from './table.js';

const words = (list) => String(list ?? '').split(',').filter((w) => w !== '');

/* verb → how it is called, and what is asked before. */
const COMMANDS = {
    disable: {label: 'Disable', past: 'takes nothing new'},
    resume: {label: 'Resume', past: 'takes tasks again'},
    terminate: {label: 'Terminate', past: 'finishes what it runs, then leaves',
        ask: 'It finishes what it runs, then leaves. It does not come back by itself.'},
    kill: {label: 'Kill', past: 'leaves at once', danger: true,
        ask: 'What it runs is killed and goes to other workers. Terminate lets it '
            + 'finish.'},
};

function fitting(worker) {
    if (worker.status === 'ACTIVE') return ['disable', 'terminate', 'kill'];
    if (worker.status === 'DISABLED') return ['resume', 'terminate', 'kill'];
    if (worker.status === 'TERMINATING') return ['kill'];
    return [];
}

function commands(worker, look) {
    const shown = worker.shown || worker.name;
    return h('div', {class: 'row'}, fitting(worker).map((verb) => {
        const c = COMMANDS[verb];
        return button([c.label, h('span', {class: 'unseen'}, ` ${shown}`)], 'admin',
            async () => {
                if (c.ask && !await confirm(`${c.label} ${short(shown, 60)}?`, c.ask,
                    c.label, {danger: c.danger, typed: c.danger ? shown : null})) return;
                const told = await post(`/workers/${verb}`, {worker: worker.name});
                toast(told.workers.length ? `${short(shown, 60)} ${c.past}.`
                    : 'No such worker is live.', !told.workers.length);
                await look();
            }, {class: c.danger ? 'small danger' : 'small'});
    }));
}

/* What it runs longest, and what it is. */
function details(worker) {
    const runs = worker.runs ?? [];
    return h('details', {'data-worker': worker.name},
        h('summary', null, runs.length ? short(runs[0].function, 24) : 'idle',
            runs.length > 1 && ` and ${count(runs.length - 1)} more`),
        runs.length > 0 && h('ul', null, runs.map((run) => h('li', null,
            text(run.function, 60), ' ', h('a', {class: 'mono',
                href: `#/tasks/${seg(run.id)}`, title: run.id}, shortId(run.id)), ' ',
            when(run.since)))),
        facts([['Name', h('span', {class: 'mono'}, worker.name)],
            ['Process', `${worker.pid} on ${worker.host}`],
            ['Functions', words(worker.functions).map((f) => [text(f, 60), ' '])],
            ['Version', worker.version],
            ['Unreported', worker.outbox > 0 && `${count(worker.outbox)} finished `
                + 'that Redis does not know yet'],
            ['Reconnects', worker.reconnects > 0 && count(worker.reconnects)],
            ['Leases lost', worker.leases_lost > 0 && count(worker.leases_lost)],
            ['Clock', `${worker.skew_ms} ms from Redis's`],
            ['Since', when(worker.started)]].filter(([, v]) => v !== false)));
}

function table(state) {
    return new Table('Workers', [
        {label: 'Worker', head: true, cell: (worker) => [
            text(worker.shown || worker.name, 60),
            h('span', {class: 'sub'}, text(worker.host, 60), ` · ${worker.pid}`)]},
        {label: 'State', cell: (worker) => badge(worker.status)},
        {label: 'Busy', cell: (worker) => [
            `${count(worker.running)} / ${count(worker.concurrency)}`,
            bar(worker.running, worker.concurrency,
                `${worker.running} of ${worker.concurrency} places`)]},
        {label: 'Groups', class: 'opt', cell: (worker) => words(worker.groups)
            .map((name, i) => [i > 0 && ', ', groupLink(name)])},
        {label: 'Load', class: 'num opt', cell: (worker) => (worker.load === null
            || worker.load === undefined ? '–' : worker.load.toFixed(2))},
        {label: 'Memory', class: 'num opt', cell: (worker) =>
            (worker.rss_kb
            ? bytes(worker.rss_kb * 1024) : '–')},
        {label: 'Heartbeat', class: 'num', cell: (worker) => h('span', {
            class: worker.status === 'DEAD' ? 'bad-text' : ''},
        duration(worker.heartbeat_age_ms / 1000))},
        {label: 'Holds', cell: details},
        {say: 'What can be done', cell: (worker) => commands(worker, state.look)},
    ], {key: (worker) => worker.name});
}

export function page(ctx) {
    const state = {look: null};
    const rows = table(state);
    const sum = h('p', {class: 'muted'});
    const empty = h('p', {class: 'empty', hidden: true},
        'No worker. Start one: ', h('code', null, 'stint worker --config FILE'));
    state.look = async () => {
        const opened = new Set([...rows.body.querySelectorAll('details[open]')]
            .map((d) => d.dataset.worker));
        const {workers} = await get('/workers', null, ctx.signal);
        rows.show(workers);
        for (const d of rows.body.querySelectorAll('details'))
            if (opened.has(d.dataset.worker)) d.open = true;
        const places = workers.reduce((n, w) => n + w.concurrency, 0);
        const busy = workers.reduce((n, w) => n + w.running, 0);
        fill(sum, `${count(workers.length)} workers, ${count(busy)} of ${count(places)} `
            + 'places taken');
        empty.hidden = workers.length > 0;
    };
    ctx.head('Workers');
    ctx.root.append(sum, h('div', {class: 'card flush'}, rows.node, empty));
    ctx.every(2000, () => state.look());
}
