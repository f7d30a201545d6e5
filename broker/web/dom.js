/* SPDX-License-Identifier: MIT */
/* Elements. What comes from a task is text and nothing else: the builder makes
 * text nodes, refuses attributes that could run code or that the content
 * security policy forbids, and lets no address through but our own. */

const SVG = 'http://www.w3.org/2000/svg';

function set(node, name, value) {
    if (value === undefined || value === null || value === false) return;
    if (name === 'on') {
        for (const [type, fn] of Object.entries(value))
            node.addEventListener(type, fn);
    } else if (name === 'class') {
        node.setAttribute('class', value);
    } else if (name === 'value' || name === 'checked') {
        node[name] = value;
    } else if (name === 'style' || /^on/i.test(name) || name === 'srcdoc') {
        throw new TypeError(`attribute ${name}`);
    } else if (name === 'href' && !String(value).startsWith('#/')) {
        throw new TypeError('an address that is not ours');
    } else {
        node.setAttribute(name, value === true ? '' : String(value));
    }
}

function add(node, child) {
    if (child === undefined || child === null || child === false) return;
    if (Array.isArray(child)) child.forEach((one) => add(node, one));
    else if (child instanceof Node) node.append(child);
    else node.append(document.createTextNode(String(child)));
}

function build(node, props, children) {
    for (const [name, value] of Object.entries(props ?? {}))
        set(node, name, value);
    add(node, children);
    return node;
}

/* h('a', {class: 'x', href: '#/', on: {click: fn}}, 'text', node, [more]) */
export function h(tag, props, ...children) {
    return build(document.createElement(tag), props, children);
}

/* The same in SVG. */
export function s(tag, props, ...children) {
    return build(document.createElementNS(SVG, tag), props, children);
}

/* Puts the children in the place of those that are there. */
export function fill(node, ...children) {
    node.replaceChildren();
    add(node, children);
    return node;
}

/* Is the reader marking text in there? Then it stays as it is for now. */
export function isMarked(node) {
    const at = window.getSelection();
    return Boolean(at && !at.isCollapsed && at.anchorNode
        && node.contains(at.anchorNode));
}

const STOPS = 'a[href],button,input,select,textarea,summary,[tabindex="0"]';

/* fill() for what is drawn again and again: the focus stays at its place. */
export function redraw(node, ...children) {
    if (isMarked(node)) return node;
    const stops = () => [...node.querySelectorAll(STOPS)];
    const at = node.contains(document.activeElement)
        ? stops().indexOf(document.activeElement) : -1;
    fill(node, children);
    if (at >= 0) stops()[at]?.focus({preventScroll: true});
    return node;
}

/* An icon of one path, 24 by 24, drawn in the colour of the text. */
export function icon(path) {
    return s('svg', {class: 'icon', viewBox: '0 0 24 24', width: 18, height: 18,
        'aria-hidden': 'true', focusable: 'false'},
    s('path', {d: path, fill: 'none', stroke: 'currentColor',
        'stroke-width': 1.8, 'stroke-linecap': 'round',
        'stroke-linejoin': 'round'}));
}

/* Says it to a screen reader. */
export function say(text) {
    document.getElementById('say').textContent = text;
}

/* A message in the corner that goes by itself, longer if it is bad. */
export function toast(text, bad = false) {
    const box = document.getElementById('toasts');
    const close = () => note.remove();
    const note = h('div', {class: bad ? 'toast bad' : 'toast',
        role: bad ? 'alert' : 'status'},
    h('span', null, text),
    h('button', {type: 'button', class: 'quiet', 'aria-label': 'Close this message',
        on: {click: close}}, '×'));
    while (box.children.length > 3) box.firstChild.remove();
    box.append(note);
    setTimeout(close, bad ? 12000 : 5000);
}

let ids = 0;
/* An id that no other element has. */
export function fresh(word) {
    ids += 1;
    return `${word}-${ids}`;
}
