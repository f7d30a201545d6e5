/* SPDX-License-Identifier: MIT */
/* The frame: who is there, which page is shown, keys, theme. An address is
 * #/page/part?filter, so that every view can be sent to somebody. */
import {fill, h, icon, say, toast} from './dom.js';
import {call, forget, get, session, whoAmI} from './api.js';
import {brief} from './format.js';
import {every} from './live.js';
import {open} from './dialog.js';
import {page as overview} from './overview.js';
import {page as groups} from './groups.js';
import {page as group} from './group.js';
import {page as tasks} from './tasks.js';
import {page as task} from './task.js';
import {page as workers} from './workers.js';
import {page as schedules} from './schedules.js';
import {page as events} from './events.js';
import {page as queue} from './queue.js';
import {page as login} from './login.js';

/* One row for each page in the navigation: the key comes after g. */
const PAGES = [
    {path: '', label: 'Overview', key: 'o', icon: 'M4 19V10M10 19V5M16 19v-7M21 19H3'},
    {path: 'groups', label: 'Groups', key: 'g', icon: 'M4 7h16M4 12h16M4 17h16'},
    {path: 'tasks', label: 'Tasks', key: 't',
        icon: 'M4 6h2M4 12h2M4 18h2M10 6h10M10 12h10M10 18h10'},
    {path: 'workers', label: 'Workers', key: 'w',
        icon: 'M5 5h14v6H5zM5 13h14v6H5zM8 8h.01M8 16h.01'},
    {path: 'schedules', label: 'Schedules', key: 's',
        icon: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2'},
    {path: 'events', label: 'Events', key: 'e', icon: 'M3 12h4l3-7 4 14 3-7h4'},
    {path: 'queue', label: 'Queue a task', key: 'q', icon: 'M12 5v14M5 12h14'},
];

/* How many parts follow the page's name, and what shows them. */
const ROUTES = {
    '/0': overview, 'groups/0': groups, 'groups/1': group, 'tasks/0': tasks,
    'tasks/1': task, 'tasks/2': task, 'workers/0': workers, 'schedules/0': schedules,
    'events/0': events, 'queue/0': queue, 'login/0': login,
};

const main = document.getElementById('main');
let shown = null;    /* {key, update, leave: AbortController} */
let wanted = '#/';   /* where to go after the login */
let shift = '';      /* the g that was typed before */

function parse(hash) {
    const [path, fields] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
    const parts = path.split('/').filter((part) => part !== '').map((part) => {
        try {
            return decodeURIComponent(part);
        } catch {
            return part;
        }
    });
    return {name: parts[0] ?? '', params: parts.slice(1),
        query: new URLSearchParams(fields ?? '')};
}

function missing(ctx) {
    ctx.head('There is no such page');
    ctx.root.append(h('p', null, h('a', {href: '#/'}, 'To the overview')));
}

function markCurrent(name) {
    for (const a of document.querySelectorAll('#nav a')) {
        if (a.dataset.page !== name) {
            a.removeAttribute('aria-current');
            continue;
        }
        a.setAttribute('aria-current', 'page');
        document.getElementById('nav').scrollLeft = a.offsetLeft - 60;
    }
}

/* What a page is given: where it draws, and what ends with it. */
function context(route, leave, first) {
    const notice = h('p', {class: 'notice bad', role: 'alert', hidden: true});
    const root = h('div');
    return {
        ...route, root, signal: leave.signal,
        /* The page's heading, and what stands beside it. */
        head(title, ...beside) {
            document.title = `${title} · Stint`;
            const heading = h('h1', {tabindex: -1}, title);
            root.prepend(h('div', {class: 'head'}, heading, h('span', {class: 'grow'}),
                beside), notice);
            if (!first) {
                heading.focus();
                say(`${title}, page`);
            }
            return heading;
        },
        fail(e) {
            notice.hidden = false;
            notice.textContent = e.message;
        },
        /* Does it now and every ms. */
        every(ms, fn) {
            return every(ms, leave.signal, async () => {
                const told = await fn();
                notice.hidden = true;
                return told;
            }, (e) => this.fail(e));
        },
    };
}

function show(first = false) {
    if (!session && !location.hash.startsWith('#/login')) return;
    const route = parse(location.hash);
    const key = [route.name, ...route.params].join('/');
    if (shown?.key === key && shown.update) {
        shown.update(route.query);
        return;
    }
    shown?.leave.abort();
    const leave = new AbortController();
    shown = {key, leave, update: null};
    const ctx = context(route, leave, first);
    fill(main, ctx.root);
    markCurrent(route.name);
    window.scrollTo(0, 0);
    const page = ROUTES[`${route.name}/${route.params.length}`] ?? missing;
    shown.update = page(ctx) ?? null;
}

/* ---- Frame ------------------------------------------------------------------ */

function drawNav() {
    fill(document.getElementById('nav'), h('ul', null, PAGES.map((p) =>
        h('li', null, h('a', {href: `#/${p.path}`, 'data-page': p.path},
            icon(p.icon), p.label, h('span', {class: 'number'}))))));
}

function number(page, text, words, bad) {
    const a = document.querySelector(`#nav a[data-page="${page}"] .number`);
    a.className = bad ? 'number bad' : 'number';
    fill(a, h('span', {'aria-hidden': 'true'}, text),
        text && h('span', {class: 'unseen'}, `, ${words}`));
}

/* The numbers beside the pages' names. */
async function numbers() {
    if (!session) return;
    const told = await get('/overview');
    const {live, dead} = told.workers;
    const due = told.totals.due ?? 0;
    number('tasks', due ? brief(due) : '', `${due} due`, false);
    number('workers', dead ? `${dead} dead` : String(live),
        `${live} live, ${dead} dead`, dead > 0);
}

function drawWho() {
    document.getElementById('namespace').textContent =
        session && session.namespace !== 'stint' ? session.namespace : '';
    const who = document.getElementById('who');
    fill(who);
    if (!session) return;
    who.append(h('span', {class: 'name'}, session.user || 'this host'),
        h('span', {class: 'chip', title: `What you may do here: ${session.role}`},
            h('span', {class: 'unseen'}, 'role '), session.role));
    if (session.user) {
        who.append(h('button', {type: 'button', class: 'quiet', on: {click: async () => {
            try {
                await call('POST', '/logout', {body: {}});
            } catch (e) {
                toast(e.message, true);
                return;
            }
            forget();
            location.hash = '#/login';
            drawWho();
        }}}, 'Log out'));
    }
}

function drawTheme() {
    const button = document.getElementById('theme');
    const order = {auto: 'light', light: 'dark', dark: 'auto'};
    const now = () => document.documentElement.dataset.theme ?? 'auto';
    const label = () => {
        button.textContent = {auto: '◐', light: '☀', dark: '☾'}[now()];
        button.setAttribute('aria-label', `Theme: ${now()}`);
        button.title = `Theme: ${now()}. Press for ${order[now()]}.`;
    };
    button.addEventListener('click', () => {
        const next = order[now()];
        if (next === 'auto') delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = next;
        keep('stint.theme', next);
        label();
    });
    label();
}

/* Storage may be forbidden; then a choice lasts as long as the page. */
function keep(name, value) {
    try {
        localStorage.setItem(name, value);
    } catch {
        /* as said */
    }
}

/* ---- Keys ------------------------------------------------------------------- */

let keysOn = (() => {
    try {
        return localStorage.getItem('stint.keys') !== 'off';
    } catch {
        return true;
    }
})();

function help() {
    const rows = [[['/'], 'search for tasks'], [['?'], 'this help'],
        [['n'], 'next page of a list'], [['p'], 'previous page of a list'],
        ...PAGES.map((p) => [['g', p.key], p.label])];
    return open('Keys', (close) => [
        h('table', null, h('caption', {class: 'unseen'}, 'Keys'),
            h('thead', {class: 'unseen'}, h('tr', null, h('th', {scope: 'col'}, 'Key'),
                h('th', {scope: 'col'}, 'Does'))),
            h('tbody', null, rows.map(([keys, does]) => h('tr', null,
                h('th', {scope: 'row'}, keys.map((k, i) =>
                    [i > 0 && ' then ', h('kbd', null, k)])),
                h('td', null, does))))),
        h('div', {class: 'row end'},
            h('label', {class: 'check'}, h('input', {type: 'checkbox', checked: keysOn,
                on: {change: (e) => {
                    keysOn = e.target.checked;
                    keep('stint.keys', keysOn ? 'on' : 'off');
                }}}), 'Use these keys'),
            h('span', {class: 'grow'}),
            h('button', {type: 'button', class: 'main', on: {click: () => close(null)}},
                'Close'))]);
}

function search() {
    const there = document.querySelector('#main input[type="search"]');
    if (there) {
        there.focus();
        there.select();
    } else {
        location.hash = '#/tasks?find=1';
    }
}

function key(e) {
    if (!keysOn || e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented
        || document.querySelector('dialog[open]')
        || e.target.closest('input,textarea,select,[contenteditable]')) return;
    const page = shift === 'g' && PAGES.find((p) => p.key === e.key);
    shift = shift === '' && e.key === 'g' ? 'g' : '';
    if (shift) {
        setTimeout(() => {
            shift = '';
        }, 1500);
        return;
    }
    if (page) location.hash = `#/${page.path}`;
    else if (e.key === '/') search();
    else if (e.key === '?') help();
    else if (e.key === 'n') document.querySelector('[data-key="n"]:enabled')?.click();
    else if (e.key === 'p') document.querySelector('[data-key="p"]:enabled')?.click();
    else return;
    e.preventDefault();
}

/* ---- Start ------------------------------------------------------------------ */

function listen() {
    const lost = document.getElementById('lost');
    window.addEventListener('hashchange', () => show());
    document.addEventListener('keydown', key);
    document.getElementById('help').addEventListener('click', help);
    document.querySelector('.skip').addEventListener('click', (e) => {
        e.preventDefault();
        main.focus();
    });
    document.addEventListener('stint:unauthorized', () => {
        if (location.hash.startsWith('#/login')) return;
        wanted = location.hash || '#/';
        forget();
        drawWho();
        location.hash = '#/login';
    });
    document.addEventListener('stint:login', async () => {
        await whoAmI();
        drawWho();
        location.hash = wanted;
    });
    document.addEventListener('stint:lost', () => {
        lost.textContent = 'The broker cannot be reached. Trying again…';
        lost.hidden = false;
    });
    document.addEventListener('stint:reached', () => {
        lost.hidden = true;
    });
}

async function start() {
    drawNav();
    drawTheme();
    listen();
    const forever = new AbortController().signal;
    await every(2000, forever, async () => {
        await whoAmI();
        return false;
    }, (e) => {
        if (e.status === 401) location.hash = '#/login';
    });
    drawWho();
    show(true);
    every(5000, forever, numbers, () => {});
}

start();
