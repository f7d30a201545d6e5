/* SPDX-License-Identifier: MIT */
/* Lines over time in SVG. Pointing at it, or the arrow keys when it has the
 * focus, read out a moment; below it the same numbers are a table. */
import {h, s, fill, fresh} from './dom.js';
import {brief, tick, time} from './format.js';

const PAD = {left: 46, right: 10, top: 8, bottom: 20};
const HEIGHT = 168;
const TABLE_ROWS = 60;

/* 1, 2 or 5 times a power of ten, so that about `n` steps reach `most`. */
function niceStep(most, n) {
    const raw = most / n;
    const base = 10 ** Math.floor(Math.log10(raw));
    const factor = [1, 2, 5, 10].find((f) => f * base >= raw * 0.999);
    return factor * base;
}

/* {of(v) → 0…1, ticks: [v]} */
function linear(values) {
    const most = Math.max(...values, 0);
    if (most <= 0) return {of: () => 0, ticks: [0]};
    const step = niceStep(most, 4);
    const top = Math.ceil(most / step - 1e-9) * step;
    const ticks = [];
    for (let i = 0; i * step <= top * 1.0001; i++) ticks.push(i * step);
    return {of: (v) => v / top, ticks};
}

/* Powers of ten around the values: for times, where p50 and p99 are far apart. */
function logarithmic(values) {
    const some = values.filter((v) => v > 0);
    if (!some.length) return {of: () => 0, ticks: [0]};
    const low = Math.floor(Math.log10(Math.min(...some)) + 1e-9);
    const most = Math.max(Math.ceil(Math.log10(Math.max(...some)) - 1e-9), low + 1);
    const every = Math.ceil((most - low) / 4);
    const high = low + Math.ceil((most - low) / every) * every;
    const ticks = [];
    for (let e = low; e <= high; e += every) ticks.push(10 ** e);
    return {of: (v) => (v <= 0 ? 0 : (Math.log10(v) - low) / (high - low)), ticks};
}

export class Chart {
    /* series: [{name, label, class: 's1'…, get(point) → number or null, area}] */
    constructor(title, series, {format = brief, log = false, level = 'h2'} = {}) {
        Object.assign(this, {title, series, format, log, points: [], at: -1});
        this.width = 480;
        this.readout = h('span', {class: 'readout'});
        this.plot = s('svg', {class: 'plot', tabindex: 0, role: 'slider',
            'aria-label': `${title}: a moment`, 'aria-valuemin': 0,
            'aria-valuemax': 0, 'aria-valuenow': 0, 'aria-valuetext': 'no data'});
        this.table = h('div', {class: 'scroll', tabindex: 0, role: 'region',
            'aria-label': `${title}: numbers`});
        this.details = h('details', {on: {toggle: () => this.fillTable()}},
            h('summary', null, 'Numbers'), this.table);
        this.node = h('figure', {class: 'card'},
            h('figcaption', null, h(level, null, title), this.readout),
            series.length > 1 && h('ul', {class: 'legend'}, series.map((one) =>
                h('li', null, this.swatch(one), one.label))),
            this.plot, this.details);
        this.listen();
    }

    swatch(one) {
        return s('svg', {class: `swatch ${one.class}`, width: 18, height: 8,
            viewBox: '0 0 18 8', 'aria-hidden': 'true'},
        s('path', {class: 'line', d: 'M0 4h18'}));
    }

    listen() {
        new ResizeObserver((entries) => {
            const width = Math.round(entries[0].contentRect.width);
            if (width > 0 && width !== this.width) {
                this.width = width;
                this.draw();
            }
        }).observe(this.plot);
        this.plot.addEventListener('pointermove', (e) => {
            const box = this.plot.getBoundingClientRect();
            const share = (e.clientX - box.left - PAD.left)
                / (this.width - PAD.left - PAD.right);
            this.read(Math.round(share * (this.points.length - 1)));
        });
        this.plot.addEventListener('pointerleave', () => this.read(-1));
        this.plot.addEventListener('blur', () => this.read(-1));
        this.plot.addEventListener('focus', () => this.read(this.points.length - 1));
        this.plot.addEventListener('keydown', (e) => {
            const last = this.points.length - 1;
            const to = {ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0,
                End: last, PageUp: this.at - 10, PageDown: this.at + 10}[e.key];
            if (to === undefined) return;
            e.preventDefault();
            this.read(Math.min(last, Math.max(0, to)));
        });
    }

    /* points: [{at: ms, …}], oldest first */
    show(points) {
        this.points = points;
        this.plot.setAttribute('aria-valuemax', Math.max(0, points.length - 1));
        this.draw();
        this.fillTable();
        if (document.activeElement !== this.plot) this.read(-1);
    }

    x(i) {
        const room = this.width - PAD.left - PAD.right;
        return PAD.left + (this.points.length > 1
            ? (i / (this.points.length - 1)) * room : room);
    }

    y(v) {
        return HEIGHT - PAD.bottom
            - this.scale.of(v) * (HEIGHT - PAD.bottom - PAD.top);
    }

    /* Pieces of a line: what is not known leaves a gap. */
    pieces(one) {
        const all = [];
        let piece = null;
        this.points.forEach((point, i) => {
            const v = one.get(point);
            if (v === null || v === undefined) {
                piece = null;
                return;
            }
            if (!piece) all.push(piece = []);
            piece.push([this.x(i), this.y(v)]);
        });
        return all;
    }

    draw() {
        const values = this.series.flatMap((one) => this.points.map(one.get))
            .filter((v) => v !== null && v !== undefined && Number.isFinite(v));
        this.scale = (this.log ? logarithmic : linear)(values);
        this.plot.setAttribute('viewBox', `0 0 ${this.width} ${HEIGHT}`);
        fill(this.plot, this.axis(values.length > 0), this.series.map((one) =>
            this.pieces(one).map((piece) => this.stroke(one, piece))));
        this.cross = s('g');
        this.plot.append(this.cross);
    }

    stroke(one, piece) {
        const join = piece.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L');
        if (piece.length === 1)
            return s('circle', {class: `dot ${one.class}`, cx: piece[0][0],
                cy: piece[0][1], r: 2});
        const floor = HEIGHT - PAD.bottom;
        return [one.area && s('path', {class: `area ${one.class}`,
            d: `M${piece[0][0].toFixed(1)} ${floor}L${join}L${
                piece.at(-1)[0].toFixed(1)} ${floor}Z`}),
        s('path', {class: `line ${one.class}`, d: `M${join}`})];
    }

    axis(some) {
        const right = this.width - PAD.right;
        const marks = this.scale.ticks.map((v) => [
            s('path', {class: 'rule', d: `M${PAD.left} ${this.y(v).toFixed(1)}H${right}`}),
            s('text', {x: PAD.left - 6, y: this.y(v) + 4, 'text-anchor': 'end'},
                this.format(v))]);
        if (!some)
            return [marks, s('text', {x: (PAD.left + right) / 2, y: HEIGHT / 2,
                'text-anchor': 'middle'}, 'no data yet')];
        const n = Math.max(2, Math.min(6, Math.floor(this.width / 90)));
        const last = this.points.length - 1;
        const span = this.points[last].at - this.points[0].at;
        for (let k = 0; k < n; k++) {
            const i = Math.round((k / (n - 1)) * last);
            marks.push(s('text', {x: this.x(i), y: HEIGHT - 5,
                'text-anchor': k === 0 ? 'start' : k === n - 1 ? 'end' : 'middle'},
            tick(this.points[i].at, span)));
        }
        return marks;
    }

    words(point) {
        return this.series.map((one) => {
            const v = one.get(point);
            const told = v === null || v === undefined ? '–' : this.format(v);
            return this.series.length > 1 ? `${one.label} ${told}` : told;
        }).join(' · ');
    }

    read(i) {
        this.at = i >= 0 && i < this.points.length ? i : -1;
        const point = this.points[this.at < 0 ? this.points.length - 1 : this.at];
        this.readout.textContent = point
            ? `${this.at < 0 ? 'now' : time(point.at).slice(5)} · ${this.words(point)}`
            : '';
        if (point) {
            this.plot.setAttribute('aria-valuenow',
                this.at < 0 ? this.points.length - 1 : this.at);
            this.plot.setAttribute('aria-valuetext',
                `${time(point.at)}: ${this.words(point)}`);
        }
        fill(this.cross ?? h('g'));
        if (this.at < 0 || !this.cross) return;
        const x = this.x(this.at).toFixed(1);
        fill(this.cross, s('path', {class: 'cross',
            d: `M${x} ${PAD.top}V${HEIGHT - PAD.bottom}`}),
        this.series.map((one) => {
            const v = one.get(point);
            return v === null || v === undefined ? null
                : s('circle', {class: `dot ${one.class}`, cx: x, cy: this.y(v), r: 3});
        }));
    }

    /* Only while it is open; the newest first. */
    fillTable() {
        if (!this.details.open) return;
        const rows = this.points.slice(-TABLE_ROWS).reverse();
        const id = fresh('numbers');
        fill(this.table, h('table', {'aria-labelledby': id},
            h('caption', {id, class: 'unseen'}, `${this.title}, newest first`),
            h('thead', null, h('tr', null, h('th', {scope: 'col'}, 'time'),
                this.series.map((one) => h('th', {scope: 'col', class: 'num'},
                    one.label)))),
            h('tbody', null, rows.map((point) => h('tr', null,
                h('th', {scope: 'row', class: 'nowrap'}, time(point.at)),
                this.series.map((one) => {
                    const v = one.get(point);
                    return h('td', {class: 'num'},
                        v === null || v === undefined ? '–' : this.format(v));
                }))))));
    }
}
