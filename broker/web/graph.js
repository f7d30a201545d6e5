/* SPDX-License-Identifier: MIT */
/* What a task waits for and what waits for it, as a graph in layers: each task
 * right of all that it depends on. Bounded: what is far from the task that is
 * looked at is left out, and that is told. */
import {h, s} from './dom.js';
import {short, shortId, visible} from './format.js';
import {badge, taskLink, taskPath, text} from './parts.js';
import {Table} from './table.js';

const NODES_MAX = 200;
const BOX = {w: 190, h: 46, gapX: 60, gapY: 16, pad: 6};

const keyOf = (n) => `${n.group_name}/${n.id}`;

/* The nearest NODES_MAX nodes around `here`. */
function near(nodes, here) {
    if (nodes.length <= NODES_MAX) return nodes;
    const by = new Map(nodes.map((n) => [keyOf(n), n]));
    const next = new Map(nodes.map((n) => [keyOf(n), [...n.parents]]));
    for (const n of nodes)
        for (const p of n.parents) next.get(p)?.push(keyOf(n));
    const seen = new Set([here]);
    for (const key of seen) {
        if (seen.size >= NODES_MAX) break;
        for (const other of next.get(key) ?? [])
            if (by.has(other) && seen.size < NODES_MAX) seen.add(other);
    }
    return nodes.filter((n) => seen.has(keyOf(n)));
}

/* Layer of each node: one more than its furthest parent's. A loop cannot be
 * queued; if there were one, the rounds end anyway. */
function layers(nodes) {
    const depth = new Map(nodes.map((n) => [keyOf(n), 0]));
    for (let round = 0, moved = true; moved && round < nodes.length; round++) {
        moved = false;
        for (const n of nodes) {
            const least = Math.max(0, ...n.parents.filter((p) => depth.has(p))
                .map((p) => depth.get(p) + 1));
            if (least > depth.get(keyOf(n))) {
                depth.set(keyOf(n), least);
                moved = true;
            }
        }
    }
    const rows = [];
    for (const n of nodes) (rows[depth.get(keyOf(n))] ??= []).push(n);
    return rows.filter(Boolean);
}

/* Orders each layer by the mean place of the neighbours, there and back, so that
 * few lines cross. */
function untangle(rows) {
    const children = new Map();
    for (const n of rows.flat())
        for (const p of n.parents) children.set(p, [...children.get(p) ?? [], keyOf(n)]);
    const sweep = (list, neighbours) => {
        const place = new Map();
        rows.forEach((row) => row.forEach((n, i) => place.set(keyOf(n), i)));
        for (const row of list) {
            const mean = new Map(row.map((n, i) => {
                const at = neighbours(n).map((k) => place.get(k))
                    .filter((v) => v !== undefined);
                return [n, at.length ? at.reduce((a, b) => a + b, 0) / at.length : i];
            }));
            row.sort((a, b) => mean.get(a) - mean.get(b));
            row.forEach((n, i) => place.set(keyOf(n), i));
        }
    };
    for (let i = 0; i < 3; i++) {
        sweep(rows, (n) => n.parents);
        sweep([...rows].reverse(), (n) => children.get(keyOf(n)) ?? []);
    }
}

function box(n, at, here) {
    const known = /^[A-Z]+$/.test(n.status) ? n.status : '';
    const name = n.task_name && n.task_name !== n.function
        ? `${n.task_name} · ${n.function}` : n.function;
    return s('a', {href: taskPath(n), class: `${known} ${keyOf(n) === here ? 'here' : ''}`,
        'aria-label': `${visible(name)}, ${visible(n.status)}, ${n.id}`},
    s('title', null, visible(`${name}\n${n.status}\n${keyOf(n)}`)),
    s('rect', {class: 'box', x: at.x, y: at.y, width: BOX.w, height: BOX.h, rx: 6}),
    s('text', {class: 'name', x: at.x + 10, y: at.y + 19}, short(name, 22)),
    s('text', {class: 'state', x: at.x + 10, y: at.y + 36}, visible(n.status)),
    s('text', {x: at.x + BOX.w - 10, y: at.y + 36, 'text-anchor': 'end'},
        n.id.length > 13 ? `…${n.id.slice(-12)}` : n.id));
}

function drawing(nodes, here) {
    const rows = layers(nodes);
    untangle(rows);
    const most = Math.max(...rows.map((row) => row.length));
    const height = most * (BOX.h + BOX.gapY) - BOX.gapY + 2 * BOX.pad;
    const width = rows.length * (BOX.w + BOX.gapX) - BOX.gapX + 2 * BOX.pad;
    const at = new Map();
    rows.forEach((row, x) => row.forEach((n, y) => at.set(keyOf(n), {
        x: BOX.pad + x * (BOX.w + BOX.gapX),
        y: BOX.pad + (most - row.length) * (BOX.h + BOX.gapY) / 2
            + y * (BOX.h + BOX.gapY)})));
    const edges = nodes.flatMap((n) => n.parents.filter((p) => at.has(p)).map((p) => {
        const from = at.get(p);
        const to = at.get(keyOf(n));
        const [x1, y1, x2, y2] = [from.x + BOX.w, from.y + BOX.h / 2, to.x,
            to.y + BOX.h / 2];
        const bend = (x2 - x1) / 2;
        return s('path', {class: 'edge', 'marker-end': 'url(#arrow)',
            d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 2} ${y2}`});
    }));
    return s('svg', {class: 'graph', role: 'group', width, height,
        viewBox: `0 0 ${width} ${height}`, 'aria-label': 'Graph of dependencies'},
    s('defs', null, s('marker', {id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4,
        markerWidth: 7, markerHeight: 7, orient: 'auto-start-reverse'},
    s('path', {class: 'edge', d: 'M1 1L7 4L1 7'}))),
    edges, rows.flat().map((n) => box(n, at.get(keyOf(n)), here)));
}

/* The graph around the task, and the same as a table. null: it stands alone. */
export function graph(nodes, task) {
    if (nodes.length < 2) return null;
    const here = keyOf(task);
    const some = near(nodes, here);
    const table = new Table('Tasks of the graph', [
        {label: 'Task', head: true, cell: (n) => [text(n.function, 60),
            h('span', {class: 'sub'}, taskLink(n))]},
        {label: 'State', cell: (n) => badge(n.status)},
        {label: 'Depends on', cell: (n) => n.parents.map((p) =>
            h('span', {class: 'sub mono'}, shortId(p)))},
    ], {key: keyOf});
    table.show(some);
    return h('div', null,
        h('div', {class: 'scroll', tabindex: 0, role: 'region',
            'aria-label': 'Dependencies'}, drawing(some, here)),
        some.length < nodes.length && h('p', {class: 'muted'},
            `The nearest ${some.length} of ${nodes.length} tasks.`),
        h('details', null, h('summary', null, 'As a table'), table.node));
}
