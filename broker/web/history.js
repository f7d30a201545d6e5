/* SPDX-License-Identifier: MIT */
/* What was, by the step: one group's, or several groups' put together. */
import {get, seg} from './api.js';
import {Chart} from './chart.js';
import {duration, rate} from './format.js';
import {h} from './dom.js';
import {select} from './parts.js';

const SUMS = ['queued', 'due', 'running', 'queued_total', 'completed', 'failed',
    'timeout', 'stopped', 'expired'];
const QUANTILES = ['p50_s', 'p95_s', 'p99_s'];
export const SPANS = [['hour', 'Last hour'], ['day', 'Last day'],
    ['month', 'Last month']];

const larger = (a, b) => (a === null || a === undefined ? b
    : b === null || b === undefined ? a : Math.max(a, b));

/* Adds a point to the one of the same step. Percentiles cannot be added: the
 * slowest group's stand for all. */
function join(into, point) {
    for (const name of SUMS) into[name] = (into[name] ?? 0) + (point[name] ?? 0);
    into.oldest_due_s = larger(into.oldest_due_s, point.oldest_due_s);
    for (const name of ['queue_time', 'run_time']) {
        into[name] ??= {};
        for (const q of QUANTILES)
            into[name][q] = larger(into[name][q], point[name]?.[q]);
    }
}

/* {step_s, points: [{at: ms, …}]}, oldest first */
export async function history(groups, span, signal) {
    const all = await Promise.all(groups.map((name) =>
        get(`/groups/${seg(name)}/history`, {span}, signal)));
    const step = all[0]?.step_s ?? 1;
    const by = new Map();
    for (const one of all) {
        for (const point of one.points) {
            const at = Math.floor(Date.parse(point.at) / (step * 1000)) * step * 1000;
            if (!by.has(at)) by.set(at, {at});
            join(by.get(at), point);
        }
    }
    return {step_s: step, points: [...by.values()].sort((a, b) => a.at - b.at)};
}

/* The five charts, and show(history). */
export function charts() {
    let step = 1;
    const per = (name) => (p) => (p[name] ?? 0) / step;
    const all = [
        new Chart('Throughput', [
            {label: 'completed', class: 's4', get: per('completed'), area: true},
            {label: 'failed', class: 's3',
                get: (p) => ((p.failed ?? 0) + (p.timeout ?? 0)) / step},
            {label: 'queued', class: 's2', get: per('queued_total')}],
        {format: rate}),
        new Chart('Depth', [
            {label: 'due', class: 's1', get: (p) => p.due, area: true},
            {label: 'running', class: 's4', get: (p) => p.running},
            {label: 'queued in all', class: 's5', get: (p) => p.queued}]),
        latencies('Time in the queue', 'queue_time'),
        latencies('Time of a run', 'run_time'),
        new Chart('Age of the oldest due task', [
            {label: 'age', class: 's2', get: (p) => p.oldest_due_s, area: true}],
        {format: duration}),
    ];
    return {
        node: h('div', {class: 'grid two gap'}, all.map((c) => c.node)),
        show(told) {
            step = told.step_s || 1;
            all.forEach((c) => c.show(told.points));
        },
    };
}

function latencies(title, name) {
    const line = (label, q, cls) => ({label, class: cls,
        get: (p) => p[name]?.[q] || null}); /* 0: there were none */
    return new Chart(title, [line('p50', 'p50_s', 's1'), line('p95', 'p95_s', 's2'),
        line('p99', 'p99_s', 's3')], {format: duration, log: true});
}

/* The choice of the span; change(span) when another one was chosen. */
export function spanChoice(value, change) {
    return h('label', {class: 'inline'}, 'Charts', select('span', SPANS, value,
        {class: 'inline', on: {change: (e) => change(e.target.value)}}));
}
