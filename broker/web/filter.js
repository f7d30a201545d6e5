/* SPDX-License-Identifier: MIT */
/* The filter of a list of tasks: as fields of a form, as an address, and as the
 * server takes it. The names are the server's. */
import {h} from './dom.js';
import {seg} from './api.js';
import {STATES, field, select} from './parts.js';

const WORDS = ['status', 'text', 'group_name', 'function', 'id', 'task_name', 'tag',
    'error', 'from', 'until', 'scheduled'];

/* {status: 'FAILED', …} of an address, without what is empty. */
export function read(query) {
    const filter = {};
    for (const name of WORDS) {
        const value = query.get(name);
        if (value) filter[name] = name === 'scheduled' ? 1 : value;
    }
    return filter;
}

/* The address of a list. */
export function address(filter, cursor, page = 'tasks') {
    const all = Object.entries({...filter, cursor})
        .filter(([, v]) => v !== '' && v !== null && v !== undefined)
        .map(([k, v]) => `${k}=${seg(v).replaceAll('%2C', ',').replaceAll('%3A', ':')}`);
    return `#/${page}${all.length ? `?${all.join('&')}` : ''}`;
}

/* datetime-local has the reader's zone and no mark of it. */
const toLocal = (text) => {
    const at = new Date(text ?? NaN);
    if (Number.isNaN(at.getTime())) return '';
    return new Date(at.getTime() - at.getTimezoneOffset() * 60000)
        .toISOString().slice(0, 19);
};
const fromLocal = (text) => (text ? new Date(text).toISOString() : '');

const input = (name, props) => h('input', {name, autocomplete: 'off',
    spellcheck: 'false', ...props});

/* The form; change(filter) when something was entered. set(filter) shows one. */
export function filterForm(change) {
    const more = h('details', {class: 'more'}, h('summary', null, 'More filters'),
        h('div', {class: 'fields'},
            field('State', select('status', [['', 'any'], ...STATES.map((w) => [w, w]),
                ['FAILED,TIMEOUT', 'FAILED or TIMEOUT'],
                ['STOPPED,EXPIRED', 'STOPPED or EXPIRED']], '')),
            field('Group', input('group_name')),
            field('Function', input('function')),
            field('Id begins with', input('id')),
            field('Label', input('task_name')),
            field('Tag', input('tag')),
            field('Error contains', input('error')),
            field('From', input('from', {type: 'datetime-local', step: 1})),
            field('Until', input('until', {type: 'datetime-local', step: 1}))));
    const text = input('text', {type: 'search', 'aria-label': 'Search for tasks',
        placeholder: 'Search id, function, label, args, error…  ( / )'});
    const form = h('form', {role: 'search', class: 'card', on: {submit: (e) => {
        e.preventDefault();
        take();
    }, change: (e) => {
        if (e.target !== text) take();
    }}}, h('div', {class: 'row'}, h('div', {class: 'searchbar'}, text,
        h('button', {type: 'submit', class: 'main'}, 'Search')),
    h('button', {type: 'button', class: 'quiet', on: {click: () => change({})}},
        'Clear')), more);
    let kept = {};  /* what the form has no field for */
    let told = '';  /* the filter the form itself told of */

    function take() {
        const filter = {...kept};
        for (const control of form.querySelectorAll('[name]')) {
            const value = control.type === 'datetime-local'
                ? fromLocal(control.value) : control.value.trim();
            if (value) filter[control.name] = value;
        }
        told = JSON.stringify(read(new URLSearchParams(filter)));
        change(filter);
    }

    return {
        node: form, search: text,
        /* Not what it told of: meanwhile the reader types in the next field. */
        set(filter) {
            if (JSON.stringify(filter) === told) return;
            told = '';
            kept = filter.scheduled ? {scheduled: 1} : {};
            for (const control of form.querySelectorAll('[name]')) {
                const value = filter[control.name] ?? '';
                if (control.tagName === 'SELECT'
                    && ![...control.options].some((o) => o.value === value))
                    control.append(h('option', {value}, value));
                control.value = control.type === 'datetime-local'
                    ? toLocal(value) : value;
            }
            if (WORDS.some((w) => w !== 'text' && w !== 'status' && filter[w]))
                more.open = true;
        },
    };
}
