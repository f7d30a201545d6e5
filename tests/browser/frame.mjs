// SPDX-License-Identifier: MIT
// The frame: keys, theme, the way of the focus, and who may do what.
import {check} from './a11y.mjs';
import {clean, contains, equal, expect, go, ok, open, shot, until} from './browser.mjs';

export async function keys(browser) {
    const page = await open(browser, '#/');
    const heading = (text) => page.locator('h1', {hasText: text}).waitFor();
    await page.keyboard.press('Tab');
    equal('the first stop skips to the content', 'Skip to the content',
        await page.evaluate(() => document.activeElement.textContent));
    await page.keyboard.press('Enter');
    equal('and does', 'main', await page.evaluate(() => document.activeElement.id));
    equal('and stays where it is', '#/', await page.evaluate(() => location.hash));
    for (const [key, name] of [['g', 'Groups'], ['w', 'Workers'], ['s', 'Schedules'],
        ['e', 'Events'], ['q', 'Queue a task'], ['o', 'Overview'], ['t', 'Tasks']]) {
        await page.evaluate(() => document.activeElement.blur());
        await page.keyboard.press('g');
        await page.keyboard.press(key);
        await heading(name);
    }
    ok('g and a letter lead to every page');
    await go(page, '#/workers', 'Workers');
    equal('the heading has the focus', 'H1', await page.evaluate(() =>
        document.activeElement.tagName));
    equal('the page is marked in the navigation', 'Workers', await page.locator(
        'nav#nav [aria-current="page"]').evaluate((a) => a.childNodes[1].textContent));
    await page.keyboard.press('/');
    await heading('Tasks');
    await until('/ leads to the search', () => page.evaluate(() =>
        document.activeElement.type === 'search'));
    await page.keyboard.type('g?');
    equal('keys are letters where one types', 'g?', await page.locator(
        'input[type="search"]').inputValue());
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press('?');
    await page.locator('dialog').waitFor();
    await check(page, 'the help');
    await shot(page, 'help');
    await page.keyboard.press('Escape');
    await until('Escape closes it', async () => await page.locator('dialog').count() === 0);
    await clean(page, 'keys');
    await page.context().close();
}

export async function theme(browser) {
    const page = await open(browser, '#/groups');
    const ground = () => page.evaluate(() =>
        getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    const button = page.getByRole('button', {name: 'Theme'});
    await button.click();
    await button.click();
    const dark = await ground();
    equal('the switch darkens', false, light === dark);
    await page.reload();
    equal('and is kept', dark, await ground());
    await button.click();
    await page.emulateMedia({colorScheme: 'dark'});
    equal('without it the system decides', dark, await ground());
    await clean(page, 'theme');
    await page.context().close();
}

/* A broker with users: who is nobody logs in; who may only read is told so. */
export async function roles(browser, home) {
    expect(/status of 401/);
    const page = await open(browser, '#/groups', {home});
    await page.locator('h1', {hasText: 'Log in'}).waitFor();
    await check(page, 'login');
    await shot(page, 'login');
    await page.getByLabel('Name').fill('reader');
    await page.getByLabel('Password').fill('not it');
    await page.getByRole('button', {name: 'Log in'}).click();
    await page.getByText('is not right').waitFor();
    ok('a wrong password is told');
    await page.getByLabel('Password').fill('secret-of-reader');
    await page.getByRole('button', {name: 'Log in'}).click();
    await page.locator('h1', {hasText: 'Groups'}).waitFor();
    ok('the right one leads where one wanted to go');
    const pause = page.getByRole('button', {name: 'Pause'}).first();
    await pause.waitFor();
    equal('what a reader may not do is disabled', 'true',
        await pause.getAttribute('aria-disabled'));
    contains('and says why', 'needs the role admin', await pause.getAttribute('title'));
    await pause.click({force: true});
    await page.locator('.toast', {hasText: 'needs the role admin'}).waitFor();
    await check(page, 'a reader\'s page');
    contains('who is there', 'reader', await page.locator('#who').innerText());
    await page.getByRole('button', {name: 'Log out'}).click();
    await page.locator('h1', {hasText: 'Log in'}).waitFor();
    await page.getByLabel('Name').fill('boss');
    await page.getByLabel('Password').fill('secret-of-boss');
    await page.getByRole('button', {name: 'Log in'}).click();
    await page.getByRole('button', {name: 'Pause'}).first().waitFor();
    await page.getByRole('button', {name: 'Pause'}).first().click();
    await page.getByRole('button', {name: 'Resume'}).first().click();
    await page.locator('.toast', {hasText: 'handed out again'}).waitFor();
    ok('an admin may, with the token that came with the session');
    await clean(page, 'roles');
    await page.context().close();
}

/* A broker that is gone is told, and so is that it is back. */
export async function lost(browser) {
    const page = await open(browser, '#/workers');
    await page.locator('main tbody tr').first().waitFor();
    expect(/ERR_FAILED|ERR_INTERNET|ERR_CONNECTION/);
    await page.route('**/api/**', (r) => r.abort());
    await page.locator('#lost:not([hidden])').waitFor();
    ok('a broker that cannot be reached is told');
    await check(page, 'without a broker');
    await page.unroute('**/api/**');
    await page.locator('#lost').waitFor({state: 'hidden', timeout: 15000});
    ok('and that it is back');
    await clean(page, 'lost');
    await page.context().close();
}
