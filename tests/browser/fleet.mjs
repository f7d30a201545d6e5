// SPDX-License-Identifier: MIT
// Groups, workers, schedules and events: looking at them and changing them.
import {api, clean, contains, equal, expect, go, ok, open, shot, toast, until}
    from './browser.mjs';

const dialog = (page) => page.locator('dialog');

export async function groups(browser) {
    const page = await open(browser, '#/groups');
    const row = page.getByRole('row').filter({hasText: 'side'});
    await row.getByRole('button', {name: 'Pause'}).click();
    await row.getByText('paused').waitFor();
    equal('it is paused', true, (await api('GET', '/groups/side')).paused);
    await go(page, '#/', 'Overview');
    await page.locator('.alerts', {hasText: 'side'}).first().waitFor();
    contains('the overview says so', 'paused', await page.locator('.alerts').innerText());
    await go(page, '#/groups/side', 'side');
    await page.getByRole('button', {name: 'Resume'}).click();
    await until('it goes on', async () =>
        (await api('GET', '/groups/side')).paused === false);
    const events = page.getByRole('button', {name: /^Events (on|off)$/});
    const before = await events.innerText();
    await events.click();
    await until('its events were turned the other way', async () =>
        await events.innerText() !== before);
    const n = (await api('GET', '/groups/side')).queued;
    await page.getByRole('button', {name: 'Purge'}).click();
    await dialog(page).getByLabel('State of the tasks').selectOption('QUEUED');
    await dialog(page).getByRole('button', {name: 'Count them'}).click();
    await dialog(page).getByText(`Delete ${n} tasks?`).waitFor();
    const go1 = dialog(page).getByRole('button', {name: `Delete ${n} tasks`});
    equal('it has to be confirmed', true, await go1.isDisabled());
    await dialog(page).getByLabel('To confirm').fill('sid');
    equal('by the whole name', true, await go1.isDisabled());
    await dialog(page).getByLabel('To confirm').fill('side');
    await shot(page, 'dialog-purge');
    await go1.click();
    await toast(page, `${n} tasks deleted.`);
    equal('they are gone', 0, (await api('GET', '/groups/side')).queued);
    await clean(page, 'groups');
    await page.context().close();
}

export async function charts(browser) {
    const page = await open(browser, '#/');
    const plot = page.getByRole('slider').first();
    await page.locator('.plot .line').first().waitFor({state: 'attached'});
    await plot.focus();
    await page.keyboard.press('Home');
    const first = await plot.getAttribute('aria-valuetext');
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    const other = await plot.getAttribute('aria-valuetext');
    contains('a chart is read by the arrow keys', 'completed', first);
    equal('moment by moment', false, first === other);
    await plot.hover({position: {x: 200, y: 60}});
    ok(`a chart is read by pointing: ${await page.locator('.readout').first()
        .innerText()}`);
    await page.locator('figure summary').first().click();
    await page.locator('figure tbody tr').first().waitFor();
    equal('and as a table', true, await page.locator('figure tbody tr').count() > 0);
    for (const span of ['day', 'month', 'hour'])
        await page.getByLabel('Charts').selectOption(span);
    await page.locator('select[name="group"]').selectOption('main');
    await page.waitForTimeout(200);
    await clean(page, 'charts');
    await page.context().close();
}

export async function workers(browser) {
    const page = await open(browser, '#/workers');
    const row = page.getByRole('row').filter({hasText: 'w2'});
    await row.getByRole('button', {name: 'Disable'}).click();
    await row.getByText('DISABLED').waitFor();
    ok('a worker was disabled');
    await row.getByRole('button', {name: 'Resume'}).click();
    await row.getByText('ACTIVE').waitFor();
    ok('and resumed');
    await row.locator('summary').click();
    contains('what it can run', 'echo', await row.locator('details').innerText());
    await row.getByRole('button', {name: 'Kill'}).click();
    await dialog(page).waitFor();
    await dialog(page).getByRole('button', {name: 'Cancel'}).click();
    await row.getByRole('button', {name: 'Terminate'}).click();
    await dialog(page).getByRole('button', {name: 'Terminate'}).click();
    await until('it left', async () => (await api('GET', '/workers')).workers
        .filter((w) => w.shown === 'w2' && w.status === 'ACTIVE').length === 0);
    await clean(page, 'workers');
    await page.context().close();
}

export async function schedules(browser, ids) {
    const page = await open(browser, '#/schedules');
    const row = page.getByRole('row').filter({hasText: ids.cron});
    await row.getByText('Europe/Berlin').waitFor();
    await row.locator('summary').click();
    await row.locator('li').nth(9).waitFor();
    equal('its next ten times', 10, await row.locator('li').count());
    contains('at six, in that zone', '06:00:00', await row.locator('li').first()
        .innerText());
    await row.getByRole('button', {name: 'Disable'}).click();
    await row.getByText('disabled').waitFor();
    ok('it was disabled');
    await row.getByRole('button', {name: 'Enable'}).click();
    await row.getByRole('button', {name: 'Disable'}).waitFor();
    await row.getByRole('button', {name: 'Run now'}).click();
    await until('it ran now', async () =>
        (await api('GET', `/tasks/${ids.cron}`)).times_run >= 1);
    await page.getByLabel('Cron expression').fill('99 * * * *');
    expect(/status of 400.*cron\/next/);
    await page.getByRole('button', {name: 'Show its next'}).click();
    await page.locator('[aria-invalid="true"]').waitFor();
    ok('a wrong expression is told');
    await page.getByLabel('Cron expression').fill('*/5 * * * *');
    await page.getByRole('button', {name: 'Show its next'}).click();
    await page.locator('form li').nth(9).waitFor();
    ok('a right one has ten times');
    await clean(page, 'schedules');
    await page.context().close();
}

export async function events(browser) {
    const page = await open(browser, '#/events?group_name=main');
    await page.locator('.head .live').waitFor();
    await page.waitForTimeout(300); /* the stream is open */
    const {id} = await api('POST', '/tasks', {function: 'echo', args: ['live']});
    const mine = page.getByRole('row').filter({hasText: id.slice(-10)});
    await mine.filter({hasText: 'COMPLETED'}).first().waitFor();
    ok('an event is there as it happens');
    await page.getByLabel('Only those that contain').fill(id);
    await until('and can be looked for', async () => {
        const n = await page.locator('main tbody tr').count();
        return n >= 2 && n === await mine.count();
    });
    await page.getByRole('button', {name: 'Hold'}).click();
    await page.getByRole('button', {name: 'Go on'}).waitFor();
    await clean(page, 'events');
    await page.context().close();
}
