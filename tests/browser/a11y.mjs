// SPDX-License-Identifier: MIT
// Whether a page can be used by everybody, as far as a program can tell: names,
// landmarks, headings, ids, tables, contrast, sizes, width, and the tab key.
import {fail, ok} from './browser.mjs';

/* In the page: what is wrong, as sentences. */
function look() {
    const bad = [];
    const tell = (node, text) => bad.push(`${text}: ${node.outerHTML.slice(0, 160)}`);
    const seen = (node) => node.checkVisibility({visibilityProperty: true});
    const hidden = (node) => node.closest('[aria-hidden="true"]');
    const textOf = (node) => {
        if (node.nodeType === Node.TEXT_NODE) return node.textContent;
        if (node.nodeType !== Node.ELEMENT_NODE
            || node.getAttribute('aria-hidden') === 'true') return '';
        return node.getAttribute('aria-label')
            ?? [...node.childNodes].map(textOf).join('');
    };
    const nameOf = (node) => {
        const by = node.getAttribute('aria-labelledby');
        if (by) return by.split(' ').map((id) => document.getElementById(id)
            ?.textContent ?? '').join(' ').trim();
        const label = node.getAttribute('aria-label');
        if (label) return label.trim();
        if (node.labels?.length) return [...node.labels].map(textOf).join(' ').trim();
        if (/^(INPUT|SELECT|TEXTAREA)$/.test(node.tagName)) return '';
        return textOf(node).trim();
    };

    if (!document.title.includes('Stint')) bad.push(`title ${document.title}`);
    if (document.documentElement.lang !== 'en') bad.push('no language');
    for (const one of ['main', 'body > header', 'nav[aria-label]', 'h1'])
        if (document.querySelectorAll(one).length !== 1)
            bad.push(`${document.querySelectorAll(one).length} of ${one}`);

    let level = 0;
    for (const node of document.querySelectorAll('h1,h2,h3,h4')) {
        if (!seen(node)) continue;
        const now = Number(node.tagName[1]);
        if (now > level + 1) tell(node, 'a level of headings is left out');
        if (!textOf(node).trim()) tell(node, 'an empty heading');
        level = now;
    }

    const ids = new Set();
    for (const node of document.querySelectorAll('[id]')) {
        if (ids.has(node.id)) tell(node, 'an id twice');
        ids.add(node.id);
    }
    for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls'])
        for (const node of document.querySelectorAll(`[${attribute}]`))
            for (const id of node.getAttribute(attribute).split(' '))
                if (!ids.has(id)) tell(node, `${attribute} leads nowhere`);

    const controls = 'a[href],button,input,select,textarea,summary,[role="slider"],'
        + '[role="region"],[role="group"],[role="search"],dialog,progress,[tabindex="0"]';
    for (const node of document.querySelectorAll(controls)) {
        if (!seen(node) || hidden(node)) continue;
        if (!nameOf(node) && node.getAttribute('role') !== 'search')
            tell(node, 'no name');
        if (node.tabIndex > 0) tell(node, 'a tabindex of its own');
        if (node.matches('button') && seen(node)) {
            const box = node.getBoundingClientRect();
            if (box.width > 1 && (box.height < 24 || box.width < 24))
                tell(node, 'too small to be hit');
        }
    }
    for (const node of document.querySelectorAll('img:not([alt]),svg'))
        if (seen(node) && node.tagName !== 'IMG' && !node.closest('[aria-hidden]')
            && !node.getAttribute('aria-label')) tell(node, 'a picture without words');

    for (const table of document.querySelectorAll('table')) {
        if (!seen(table)) continue;
        if (!table.querySelector('caption')?.textContent) tell(table, 'no caption');
        for (const th of table.querySelectorAll('th'))
            if (!th.scope) tell(th, 'a heading of nothing');
        if (!table.querySelector('thead th')) tell(table, 'no head');
    }

    /* ---- contrast ---- */
    const colour = (text) => {
        const n = text.match(/-?[\d.]+(?:e-?\d+)?/g).map(Number);
        const unit = text.startsWith('color(') ? 255 : 1;
        return [n[0] * unit, n[1] * unit, n[2] * unit, n[3] ?? 1];
    };
    const over = ([r, g, b, a], under) => [r * a + under[0] * (1 - a),
        g * a + under[1] * (1 - a), b * a + under[2] * (1 - a), 1];
    const ground = (node) => {
        const stack = [];
        for (let at = node; at; at = at.parentElement) {
            const c = colour(getComputedStyle(at).backgroundColor);
            if (c[3] > 0) stack.push(c);
            if (c[3] === 1) break;
        }
        return stack.reverse().reduce((under, c) => over(c, under), [255, 255, 255, 1]);
    };
    const light = (c) => {
        const [r, g, b] = c.slice(0, 3).map((v) => v / 255).map((v) =>
            (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const told = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !seen(node)) continue;
        const style = getComputedStyle(node);
        const svg = node.namespaceURI.endsWith('svg');
        if (svg && node.tagName === 'title') continue;
        const ink = colour(svg ? style.fill : style.color);
        const paper = ground(svg ? node.closest('svg').parentElement : node);
        const key = `${ink} ${paper}`;
        if (told.has(key)) continue;
        told.add(key);
        const [a, b] = [light(over(ink, paper)), light(paper)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700);
        if (ratio < (large ? 3 : 4.5))
            tell(node, `contrast ${ratio.toFixed(2)} (${key})`);
    }

    const wide = document.documentElement.scrollWidth - window.innerWidth;
    if (wide > 0) bad.push(`the page is ${wide} px wider than the window`);
    return bad;
}

export async function check(page, what) {
    const bad = await page.evaluate(look);
    if (bad.length) fail(`${what}:\n  ${bad.join('\n  ')}`);
    ok(`${what}: names, headings, tables, contrast, width`);
}

/* Every control can be reached by the tab key, in the order in which they stand,
 * and shows that it has the focus. */
export async function checkTab(page, what) {
    const wanted = await page.evaluate(() => {
        document.querySelector('.skip').focus();
        window.stops = () => [...document.querySelectorAll('a[href],button,input,select,'
            + 'textarea,summary,[tabindex="0"]')].filter((n) => !n.disabled
            && n.tabIndex >= 0 && n.checkVisibility({visibilityProperty: true}));
        return window.stops().length;
    });
    let last = 0;
    /* A field for times has several stops. */
    for (let i = 0; i < wanted * 2 + 60 && last < wanted - 1; i++) {
        await page.keyboard.press('Tab');
        const at = await page.evaluate(() => {
            const n = document.activeElement;
            const s = getComputedStyle(n);
            return {order: window.stops().indexOf(n), told: n.outerHTML.slice(0, 100),
                ring: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2
                    || n.classList.contains('skip')};
        });
        if (at.order < last) fail(`${what}: the tab key goes back at ${at.told}`);
        if (at.order > last + 1) fail(`${what}: the tab key leaves out what is before ${
            at.told}`);
        if (!at.ring) fail(`${what}: no focus is seen at ${at.told}`);
        last = at.order;
    }
    if (last < wanted - 1) fail(`${what}: the tab key ends before the last control`);
    ok(`${what}: the tab key reaches all ${wanted} controls in their order`);
}
