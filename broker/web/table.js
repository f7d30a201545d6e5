/* SPDX-License-Identifier: MIT */
/* Tables. A row that did not change stays the same element when the table is
 * shown again, so that focus, selection and the reader's place stay too. On a
 * narrow screen a row is laid out as a card; the roles are written out because
 * a table that is laid out otherwise is none to a screen reader. */
import {h, fill, isMarked} from './dom.js';

/* columns: [{label, class, cell(item) → node or text, head: true for the cell
 * that names the row, say: a heading for screen readers only}] */
export class Table {
    constructor(caption, columns, {key, row, shownCaption = false} = {}) {
        this.columns = columns;
        this.key = key ?? ((item) => item.id);
        this.rowClass = row;
        this.rows = new Map(); /* key → {text, tr} */
        this.body = h('tbody', {role: 'rowgroup'});
        this.node = h('div', {class: 'scroll', role: 'region', tabindex: 0,
            'aria-label': caption},
        h('table', {role: 'table', class: 'cards'},
            h('caption', {class: shownCaption ? '' : 'unseen'}, caption),
            h('thead', {role: 'rowgroup'}, h('tr', {role: 'row'}, columns.map((c) =>
                h('th', {scope: 'col', role: 'columnheader', class: c.class}, c.label
                    ?? h('span', {class: 'unseen'}, c.say))))),
            this.body));
    }

    build(item) {
        return h('tr', {role: 'row', class: this.rowClass?.(item)},
            this.columns.map((c) => h(c.head ? 'th' : 'td', {class: c.class,
                scope: c.head ? 'row' : null, role: c.head ? 'rowheader' : 'cell',
                'data-label': c.class?.includes('num') ? c.label : null},
            c.cell(item))));
    }

    /* `fresh`: build every row anew, for what changes by the clock alone. */
    show(items, {fresh = false} = {}) {
        if (isMarked(this.body) && this.rows.size) return;
        const before = this.rows;
        const focus = this.place();
        this.rows = new Map();
        for (const item of items) {
            const key = this.key(item);
            const text = JSON.stringify(item);
            const old = before.get(key);
            this.rows.set(key, old && old.text === text && !fresh ? old
                : {text, tr: this.build(item)});
        }
        const wanted = [...this.rows.values()].map((r) => r.tr);
        const now = this.body.children;
        if (wanted.length !== now.length || wanted.some((tr, i) => tr !== now[i])) {
            fill(this.body, wanted);
            this.restore(focus);
        }
    }

    /* Which control of which row has the focus. */
    place() {
        const at = document.activeElement;
        if (!this.body.contains(at)) return null;
        for (const [key, {tr}] of this.rows) {
            if (tr.contains(at))
                return {key, index: [...tr.querySelectorAll(
                    'a,button,input,summary')].indexOf(at)};
        }
        return null;
    }

    restore(focus) {
        const tr = focus && this.rows.get(focus.key)?.tr;
        tr?.querySelectorAll('a,button,input,summary')[focus.index]?.focus();
    }
}
