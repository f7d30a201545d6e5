/* SPDX-License-Identifier: MIT */
/* Small parts that several pages use. */
import {h, s, fresh, say, toast} from './dom.js';
import {may, now, seg, session} from './api.js';
import {ago, duration, short, shortId, time, visible} from './format.js';

export const STATES = ['QUEUED', 'ASSIGNED', 'RUNNING', 'COMPLETED', 'FAILED',
    'TIMEOUT', 'STOPPED', 'EXPIRED'];
export const ENDED = STATES.slice(3);

/* A state: colour, shape and word. */
export function badge(state) {
    const known = /^[A-Za-z]+$/.test(state ?? '');
    return h('span', {class: `badge ${known ? state : ''}`}, visible(state || '–'));
}

/* Text of a task: its direction does not reach what stands around it. */
export function text(value, most = 200) {
    return h('bdi', null, short(value, most));
}

export function taskPath(task) {
    return `#/tasks/${seg(task.group_name)}/${seg(task.id)}`;
}

export function groupLink(name) {
    return h('a', {href: `#/groups/${seg(name)}`}, text(name, 60));
}

export function taskLink(task) {
    return h('a', {href: taskPath(task), class: 'mono', title: task.id},
        shortId(task.id));
}

/* A moment, and how far away it is; the whole in the title. */
export function when(at, empty = '–') {
    if (!at) return h('span', {class: 'muted'}, empty);
    return h('time', {datetime: at, title: `${time(at, true)} (${at})`,
        class: 'nowrap'}, ago(at, now()));
}

export function moment(at) {
    if (!at) return '–';
    return h('time', {datetime: at, title: at}, `${time(at, true)}`,
        h('span', {class: 'muted'}, ` · ${ago(at, now())}`));
}

/* A button for which a role is needed. One that may not be used stays in the
 * order of the tab key and says why. */
export function button(label, role, act, props = {}) {
    const allowed = may(role);
    const why = `This needs the role ${role}; you have ${session?.role ?? 'none'}.`;
    const node = h('button', {type: 'button', ...props,
        'aria-disabled': allowed ? null : 'true',
        title: allowed ? props.title : why,
        on: {click: async () => {
            if (!allowed) {
                say('');
                toast(why, true);
                return;
            }
            if (node.getAttribute('aria-busy')) return;
            node.setAttribute('aria-busy', 'true');
            try {
                await act(node);
            } catch (e) {
                if (e.name !== 'AbortError') toast(e.message, true);
            } finally {
                node.removeAttribute('aria-busy');
            }
        }}}, label);
    if (!allowed) {
        const id = fresh('why');
        node.setAttribute('aria-describedby', id);
        node.append(h('span', {id, class: 'unseen'}, ` ${why}`));
    }
    return node;
}

/* A labelled control. `control` is an input, select or textarea; its name is the
 * one under which an error comes. */
export function field(label, control, {hint, wide} = {}) {
    const id = fresh('f');
    control.id = id;
    const told = [];
    const parts = [h('label', {for: id}, label), control];
    if (hint) {
        told.push(`${id}-h`);
        parts.push(h('p', {class: 'hint', id: `${id}-h`}, hint));
    }
    told.push(`${id}-e`);
    parts.push(h('p', {class: 'error', id: `${id}-e`, hidden: true}));
    control.setAttribute('aria-describedby', told.join(' '));
    return h('div', {class: wide ? 'field wide' : 'field'}, parts);
}

/* Shows the errors at the fields of a form that have those names; returns those
 * that have no field. */
export function fieldErrors(form, errors) {
    const rest = [];
    let first = null;
    for (const control of form.querySelectorAll('[name]')) {
        const place = document.getElementById(`${control.id}-e`);
        if (!place) continue;
        const error = errors[control.name];
        control.setAttribute('aria-invalid', error ? 'true' : 'false');
        place.hidden = !error;
        place.textContent = error ?? '';
        if (error && !first) first = control;
    }
    for (const [name, error] of Object.entries(errors))
        if (!form.elements[name]) rest.push(`${name}: ${error}`);
    first?.closest('details')?.setAttribute('open', '');
    first?.focus();
    return rest;
}

export function select(name, options, value, props = {}) {
    return h('select', {name, ...props}, options.map(([v, label]) =>
        h('option', {value: v, selected: v === value}, label)));
}

/* A share of something, as a bar with its words. */
export function bar(part, whole, label) {
    const filled = h('span');
    filled.style.width = `${whole > 0 ? Math.min(100, (part / whole) * 100) : 0}%`;
    return h('span', {class: 'bar', role: 'img', 'aria-label': label}, filled);
}

/* The last values as a small line; there is text beside it that says the same. */
export function spark(values, name = 's1') {
    const most = Math.max(...values, 1e-9);
    const step = 100 / Math.max(values.length - 1, 1);
    const points = values.map((v, i) =>
        `${(i * step).toFixed(2)},${(24 - (v / most) * 22).toFixed(2)}`);
    return s('svg', {class: `spark ${name}`, viewBox: '0 0 100 26',
        preserveAspectRatio: 'none', 'aria-hidden': 'true'},
    s('polyline', {class: 'line', points: points.join(' ')}));
}

export function tile(label, big, small, {bad, href, extra} = {}) {
    return h('div', {class: bad ? 'tile bad' : 'tile'}, h('dt', null, label),
        h('dd', {class: 'big'}, href ? h('a', {href}, big) : big),
        h('dd', {class: 'small'}, small ?? ''), extra && h('dd', null, extra));
}

/* ["label", value] pairs; those without a value are left out. */
export function facts(pairs) {
    return h('dl', {class: 'facts'}, pairs.filter(([, v]) =>
        v !== null && v !== undefined && v !== '')
        .map(([label, v]) => [h('dt', null, label), h('dd', null, v)]));
}

export function latency(q, which) {
    return q && q[which] !== null ? duration(q[which]) : '–';
}
