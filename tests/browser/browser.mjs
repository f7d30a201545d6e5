// SPDX-License-Identifier: MIT
// What the browser tests share: a Chromium, pages that note whatever goes wrong
// in them, and a few words for what a test says.
import {createRequire} from 'node:module';
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';

const require = createRequire(join(process.env.BROWSER_MODULES, 'x.js'));
const {chromium} = require('playwright-core');

export const base = process.env.BROKER_URL;
const shots = process.env.SCREENSHOTS;
mkdirSync(shots, {recursive: true});

let checks = 0;
const wrong = []; // console errors, exceptions, violations, of all pages
const expected = []; // patterns of console errors that a test brings about

export function ok(what) {
    checks += 1;
    console.log(`ok ${checks} - ${what}`);
}

export function fail(what) {
    throw new Error(what);
}

export function equal(what, wanted, got) {
    const [a, b] = [JSON.stringify(wanted), JSON.stringify(got)];
    if (a !== b) fail(`${what}: wanted ${a}, got ${b}`);
    ok(what);
}

export function contains(what, part, text) {
    if (!String(text).includes(part)) fail(`${what}: no '${part}' in '${text}'`);
    ok(what);
}

export async function launch() {
    return chromium.launch({
        executablePath: process.env.CHROMIUM,
        // Chromium's sandbox cannot be had by root, nor in many containers.
        // The browser itself is to ask nobody for anything.
        args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu',
            '--no-first-run', '--disable-background-networking',
            '--disable-component-update', '--disable-sync', '--disable-quic'],
    });
}

// An address of the dashboard; anything wrong in the page is noted.
export async function open(browser, hash, options = {}) {
    const context = await browser.newContext({
        viewport: {width: 1280, height: 800}, colorScheme: 'light',
        reducedMotion: 'reduce', timezoneId: 'Europe/Berlin', ...options});
    context.setDefaultTimeout(10000);
    const page = await context.newPage();
    await page.addInitScript(() => {
        window.violations = [];
        document.addEventListener('securitypolicyviolation', (e) => {
            window.violations.push(`${e.violatedDirective} ${e.blockedURI}`);
        });
    });
    const note = (text) => wrong.push(`${page.url()}: ${text}`);
    page.on('console', (m) => {
        if (m.type() === 'error') note(`${m.text()} ${m.location().url}`);
    });
    page.on('pageerror', (e) => note(e.stack ?? e.message));
    page.on('dialog', (d) => {
        note(`a dialog of the page's own: ${d.message()}`);
        d.dismiss();
    });
    page.on('request', (r) => {
        if (!r.url().startsWith(page.home ?? base) && !r.url().startsWith('data:'))
            note(`asked for ${r.url()}`);
    });
    page.home = options.home ?? base;
    await page.goto(`${page.home}/${hash}`);
    await page.waitForSelector('h1');
    return page;
}

// Goes to another page of the dashboard, as a link would.
export async function go(page, hash, heading) {
    await page.evaluate((h) => {
        window.location.hash = h;
    }, hash);
    await page.waitForFunction((h) => document.querySelector('h1')?.textContent === h
        && document.querySelectorAll('h1').length === 1, heading);
}

// A console error like this is what the test is about.
export function expect(pattern) {
    expected.push(pattern);
}

// Fails if anything went wrong that no test brought about.
export async function clean(page, what) {
    const found = await page.evaluate(() => [...window.violations,
        ...(window.pwned ? ['a script of a payload ran'] : []),
        ...(document.querySelector('main script, main img, main iframe')
            ? ['an element of a payload is there'] : [])]);
    const left = [...wrong.filter((w) => !expected.some((p) => p.test(w))), ...found];
    if (left.length) fail(`${what}: ${left.join('\n')}`);
    ok(`${what}: nothing is wrong in the console, no violation`);
}

export async function shot(page, name) {
    await page.screenshot({path: join(shots, `${name}.png`), animations: 'disabled'});
}

// A call of the API, beside the page.
export async function api(method, path, body) {
    const head = {'Content-Type': 'application/json'};
    if (method !== 'GET') {
        const who = await (await fetch(`${base}/api/v1`)).json();
        head['Stint-CSRF'] = who.csrf;
    }
    const answer = await fetch(`${base}/api/v1${path}`, {method, headers: head,
        body: body === undefined ? undefined : JSON.stringify(body)});
    const text = await answer.text();
    if (!answer.ok) fail(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : {};
}

// Waits until fn() is true.
export async function until(what, fn, ms = 10000) {
    const end = Date.now() + ms;
    while (!await fn()) {
        if (Date.now() > end) fail(`${what}: took too long`);
        await new Promise((done) => setTimeout(done, 50));
    }
    ok(what);
}

export const toast = (page, text) =>
    page.locator('.toast', {hasText: text}).first().waitFor();

export function summary() {
    console.log(`passed: ${checks} checks`);
}
