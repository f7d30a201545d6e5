// SPDX-License-Identifier: MIT
// Tasks: queueing by the form, one task and its actions, search, and actions on
// many, in a list of a hundred thousand.
import {api, clean, contains, equal, expect, go, ok, open, shot, toast, until, fail}
    from './browser.mjs';

const status = async (id) => (await api('GET', `/tasks/${id}`)).status;

export async function queueing(browser) {
    const page = await open(browser, '#/queue');
    await page.getByLabel('Function').fill('no such name!');
    await page.getByLabel('Period, s').fill('-3');
    await page.getByLabel('Arguments', {exact: true}).fill('[1, 2');
    const queueIt = page.getByRole('button', {name: 'Queue it'});
    await queueIt.click();
    await page.getByText('This is no JSON').waitFor();
    ok('what is no JSON is told at its field');
    await page.getByLabel('Arguments', {exact: true}).fill('["<b>hello</b>", 2]');
    expect(/status of 400.*\/api\/v1\/tasks/);
    await queueIt.click();
    await page.locator('[aria-invalid="true"][name="period"]').waitFor();
    equal('the server\'s errors are at their fields', ['function', 'period'],
        await page.locator('[aria-invalid="true"]').evaluateAll((all) =>
            all.map((n) => n.name)));
    equal('the first has the focus', 'function', await page.evaluate(() =>
        document.activeElement.name));
    await page.getByLabel('Function').fill('echo');
    await page.getByLabel('Period, s').fill('');
    await page.getByLabel('Label').fill('by <i>hand</i>');
    await queueIt.click();
    await page.locator('h1', {hasText: 'echo'}).waitFor();
    await page.locator('.head .COMPLETED').waitFor();
    contains('it ran, and its output is there', '<b>hello</b> 2',
        await page.getByLabel('Output', {exact: true}).innerText());
    await page.getByRole('button', {name: 'Queue again'}).click();
    await page.locator('h1', {hasText: 'Queue a task'}).waitFor();
    contains('the form is filled like it', '<b>hello</b>',
        await page.getByLabel('Arguments', {exact: true}).inputValue());
    await clean(page, 'queueing');
    await page.context().close();
}

async function answer(page, verb) {
    await page.locator('dialog').getByRole('button', {name: verb, exact: true}).click();
}

export async function oneTask(browser) {
    const {id} = await api('POST', '/tasks', {function: 'slow', sync_output: 0.2,
        args: [60], task_name: 'slow one'});
    const page = await open(browser, `#/tasks/main/${id}`);
    const output = page.getByLabel('Output', {exact: true});
    await page.locator('.head .RUNNING').waitFor();
    await page.waitForFunction(() => document.querySelector('[aria-label="Output"]')
        ?.textContent.includes('line 2'));
    const before = await output.innerText();
    await until('output follows while it runs', async () =>
        (await output.innerText()).length > before.length);
    await page.getByRole('button', {name: 'Stop', exact: true}).click();
    await shot(page, 'dialog-stop');
    await answer(page, 'Stop');
    await page.locator('.head .STOPPED').waitFor();
    equal('it was stopped', 'STOPPED', await status(id));
    await page.getByRole('button', {name: 'Requeue'}).click();
    await page.getByLabel('Start counting anew').check();
    await answer(page, 'Requeue');
    await page.locator('.head .RUNNING, .head .QUEUED').waitFor();
    ok('it was requeued');
    await until('it has two runs', async () =>
        await page.locator('section:has-text("Runs, newest first") tbody tr').count() >= 2);
    await page.getByRole('button', {name: 'Stop', exact: true}).click();
    await page.keyboard.press('Escape');
    await until('Escape leaves the question', async () =>
        await page.locator('dialog').count() === 0);
    equal('and the focus goes back', 'Stop', await page.evaluate(() =>
        document.activeElement.textContent));
    await page.getByRole('button', {name: 'Stop', exact: true}).click();
    await answer(page, 'Stop');
    await page.locator('.head .STOPPED').waitFor();
    contains('its timeline names worker and fence', 'fence',
        await page.locator('.timeline').innerText());
    await page.getByRole('button', {name: 'Delete'}).click();
    await answer(page, 'Delete');
    await page.locator('h1', {hasText: 'Tasks'}).waitFor();
    equal('it was deleted', 404, (await fetch(`${process.env.BROKER_URL}/api/v1/tasks/${
        id}`)).status);
    await clean(page, 'one task');
    await page.context().close();
}

export async function waiting(browser, ids) {
    const page = await open(browser, `#/tasks/main/${ids.held}`);
    await page.getByText('Why it does not run').waitFor();
    contains('why it does not run', 'disabled',
        (await page.locator('.notice', {hasText: 'Why it does not run'}).innerText())
            .toLowerCase());
    await page.getByRole('button', {name: 'Priority'}).click();
    await page.getByLabel('Priority, from').fill('7');
    await answer(page, 'Set');
    await until('its priority was set', async () =>
        (await api('GET', `/tasks/${ids.held}`)).priority === 7);
    await page.getByRole('button', {name: 'Enable'}).click();
    await page.locator('.head .COMPLETED').waitFor();
    ok('it was enabled and ran');
    await go(page, `#/tasks/main/${ids.child}`, 'echo');
    await page.locator('.graph .box').first().waitFor();
    equal('the graph has its three tasks', 3, await page.locator('.graph .box').count());
    await page.locator('.graph a').first().focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction((id) => !location.hash.endsWith(id), ids.child);
    ok('a node of the graph leads to its task');
    await page.locator('.timeline li').first().waitFor();
    await clean(page, 'waiting');
    await page.context().close();
}

const rows = (page) => page.locator('main tbody tr');
const shown = (page) => rows(page).count();

/* As someone would type it. */
async function search(page, fields) {
    await page.getByRole('button', {name: 'Clear'}).click();
    const more = page.locator('details.more');
    if (Object.keys(fields).some((name) => name !== 'text'))
        await more.evaluate((d) => {
            d.open = true;
        });
    for (const [name, value] of Object.entries(fields)) {
        const control = page.locator(`form[role="search"] [name="${name}"]`);
        if (await control.evaluate((n) => n.tagName === 'SELECT'))
            await control.selectOption(value);
        else await control.fill(value);
    }
    await page.getByRole('button', {name: 'Search', exact: true}).click();
    await page.waitForFunction(() => !document.querySelector('main [aria-busy]'));
}

export async function searching(browser, ids) {
    const page = await open(browser, '#/tasks');
    await rows(page).first().waitFor();
    const one = async (what, fields, id) => {
        await search(page, fields);
        await until(`found by ${what}`, async () => await shown(page) === 1
            && (await rows(page).first().innerText()).includes(id.slice(-10)));
    };
    await one('the start of its id', {id: ids.hostile.slice(0, -1),
        group_name: 'main'}, ids.hostile);
    await one('its error', {error: 'onerror', id: 'wrong-', group_name: 'main'}, ids.wrong);
    await one('its tag', {tag: 'peculiar', group_name: 'main'}, ids.tagged);
    await one('its label', {task_name: 'needle', group_name: 'main'}, ids.tagged);
    await one('text of its arguments', {text: 'in-a-haystack', group_name: 'main'},
        ids.tagged);
    await one('state and function', {status: 'FAILED', function: 'wrong', id: 'wrong',
        group_name: 'main'}, ids.wrong);
    const address = page.url();
    await page.reload();
    await until('the address brings the same', async () => await shown(page) === 1);
    equal('and the fields', 'wrong', await page.locator('[name="function"]')
        .inputValue());
    equal('the address says it', true, address.includes('status=FAILED'));
    await search(page, {from: '2001-01-01T00:00', until: '2001-01-02T00:00',
        group_name: 'main'});
    await page.getByText('No task matches').waitFor();
    ok('nothing is of another time');
    await clean(page, 'searching');
    await page.context().close();
}

export async function thousands(browser, many) {
    const page = await open(browser, '#/tasks?group_name=many&status=QUEUED');
    const first = () => rows(page).first().locator('a').first().getAttribute('title');
    await rows(page).first().waitFor();
    equal(`a page of ${many} has a hundred`, 100, await shown(page));
    const begin = Date.now();
    const seen = [await first()];
    for (let i = 0; i < 3; i++) {
        await page.getByRole('button', {name: 'Next'}).click();
        await page.waitForFunction((id) => document.querySelector('main tbody a')
            ?.title !== id, seen.at(-1));
        seen.push(await first());
    }
    equal('four pages are four', 4, new Set(seen).size);
    for (let i = 2; i >= 0; i--) {
        await page.getByRole('button', {name: /Previous|first/}).click();
        await page.waitForFunction((id) => document.querySelector('main tbody a')
            ?.title === id, seen[i]);
    }
    const took = Date.now() - begin;
    ok(`three pages on and back took ${took} ms`);
    if (took > 15000) fail('a list of many is slow');

    /* Three of them by hand. */
    for (let i = 0; i < 3; i++)
        await rows(page).nth(i).locator('input').check();
    await page.getByRole('button', {name: 'Delete', exact: true}).click();
    await answer(page, 'Delete');
    await toast(page, '3 tasks deleted.');
    await page.waitForFunction((id) => document.querySelector('main tbody a')
        ?.title !== id, seen[0]);
    ok('the chosen were deleted');

    /* All that match are counted first; who stops that has done nothing. */
    await page.locator('select[name="scope"]').selectOption('all');
    await page.getByRole('button', {name: 'Delete', exact: true}).click();
    await page.locator('dialog', {hasText: 'looked at'}).waitFor();
    await answer(page, 'Stop here');
    await until('counting was stopped, and nothing is asked', async () =>
        await page.locator('dialog').count() === 0);
    equal('and nothing was done', many - 3, (await api('GET', '/groups/many')).queued);

    /* Some thousands: begun, and stopped on the way. */
    await go(page, '#/groups', 'Groups');
    await go(page, '#/tasks?group_name=bulk', 'Tasks');
    await rows(page).first().waitFor();
    await page.locator('select[name="scope"]').selectOption('all');
    await page.getByRole('button', {name: 'Delete', exact: true}).click();
    await page.getByText('Delete all 3,000 tasks that match?').waitFor();
    equal('they were counted, and nothing was done', 3000,
        (await api('GET', '/groups/bulk')).queued);
    await shot(page, 'dialog-all');
    await answer(page, 'Delete');
    await page.locator('progress[value]').waitFor();
    await answer(page, 'Stop here');
    await toast(page, 'deleted.');
    const left = (await api('GET', '/groups/bulk')).queued;
    if (left <= 0 || left >= 3000) fail(`stopped on the way, ${left} are left`);
    ok(`stopped on the way: ${left} are left`);
    await clean(page, 'thousands');
    await page.context().close();
}

/* An action on all that a filter matches, to its end. */
export async function filtered(browser) {
    const page = await open(browser, '#/tasks?group_name=side&tag=batch');
    await rows(page).first().waitFor();
    await page.locator('select[name="scope"]').selectOption('all');
    await page.getByRole('button', {name: 'Delete', exact: true}).click();
    await answer(page, 'Cancel');
    equal('who leaves the question changes nothing', 30, await shown(page));
    const all = async (button, question, told) => {
        await page.locator('select[name="scope"]').selectOption('all');
        await page.getByRole('button', {name: button, exact: true}).click();
        if (question) {
            await page.locator('dialog form').waitFor();
            await answer(page, question);
        }
        await toast(page, told);
        await page.locator('.toast button').first().click();
    };
    await page.locator('select[name="scope"]').selectOption('all');
    await page.getByRole('button', {name: 'Priority…'}).click();
    await page.getByLabel('Priority, from').fill('-5');
    await answer(page, 'Set');
    await page.getByText('Change all 30 tasks that match?').waitFor();
    await answer(page, 'Change');
    await toast(page, '30 tasks given the priority.');
    equal('all have it', 30, (await api('GET', '/tasks?group_name=side&tag=batch'))
        .tasks.filter((t) => t.priority === -5).length);
    await all('Stop', 'Stop', '30 tasks stopped.');
    await all('Requeue', 'Requeue', '30 tasks requeued.');
    await all('Delete', 'Delete', '30 tasks deleted.');
    await page.getByText('No task matches').waitFor();
    ok('all that matched are gone');
    await clean(page, 'filtered');
    await page.context().close();
}
