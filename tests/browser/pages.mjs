// SPDX-License-Identifier: MIT
// Every page, in light and dark, wide and narrow: pictures, and whether it can be
// used. What the pages show is full of what would run if it were not text.
import {check, checkTab} from './a11y.mjs';
import {api, clean, contains, go, ok, open, shot, fail} from './browser.mjs';

const LOOKS = [[1280, 800, 'light'], [1280, 800, 'dark'], [360, 740, 'light'],
    [360, 740, 'dark']];

export async function pages(browser, ids) {
    const list = [
        ['overview', '#/', 'Overview', '.plot .line'],
        ['groups', '#/groups', 'Groups', 'tbody tr'],
        ['group', '#/groups/main', 'main', '.plot .line'],
        ['tasks', '#/tasks?group_name=main', 'Tasks', 'tbody tr'],
        ['failed', '#/tasks?status=FAILED&text=script', 'Tasks', 'tbody tr'],
        ['task', `#/tasks/main/${ids.hostile}`, 'hostile', '.timeline li'],
        ['task-failed', `#/tasks/main/${ids.wrong}`, 'wrong', '.timeline li'],
        ['task-graph', `#/tasks/main/${ids.child}`, 'echo', '.graph .box'],
        ['workers', '#/workers', 'Workers', 'tbody tr'],
        ['schedules', '#/schedules', 'Schedules', 'tbody tr'],
        ['events', '#/events', 'Events', 'tbody tr'],
        ['queue', '#/queue', 'Queue a task', 'form'],
        ['missing', '#/nowhere/at/all', 'There is no such page', 'p a'],
    ];
    const page = await open(browser, '#/');
    for (const [name, hash, heading, there] of list) {
        await go(page, hash, heading);
        await page.locator(`main ${there}`).first().waitFor({state: 'attached'});
        for (const [width, height, scheme] of LOOKS) {
            await page.setViewportSize({width, height});
            await page.emulateMedia({colorScheme: scheme});
            await page.waitForTimeout(60); /* the charts follow the width */
            await check(page, `${name}, ${width} ${scheme}`);
            await shot(page, `${name}-${width}-${scheme}`);
        }
        await page.setViewportSize({width: 1280, height: 800});
        await page.emulateMedia({colorScheme: 'light'});
        if (name !== 'tasks' && name !== 'events') await checkTab(page, name);
        await clean(page, name);
    }
    await page.context().close();
}

/* What the payload is made of stands there letter by letter. */
export async function literally(browser, ids) {
    const page = await open(browser, `#/tasks/main/${ids.hostile}`);
    await page.locator('.COMPLETED').first().waitFor();
    const text = await page.locator('main').innerText();
    for (const part of ['<script>window.pwned=1</script>',
        '"><img src=x onerror=window.pwned=1>', 'שלום', '漢字', '\\u202e', '\\u0007',
        '\\u001b[31m'])
        contains(`the task's page shows ${JSON.stringify(part)}`, part, text);
    const task = await api('GET', `/tasks/${ids.hostile}?group_name=main&output=1`);
    contains('as the task has it', '<script>', JSON.stringify(task.args));
    const output = await page.getByLabel('Output', {exact: true}).innerText();
    contains('output is text', '<script>window.pwned=1</script>', output);
    const exact = await page.getByLabel('Named arguments').innerText();
    contains('a number keeps its digits', '9007199254740993', exact);
    const bad = await page.evaluate(() => document.querySelectorAll(
        'main [onerror], main [onclick], main [style]:not(.bar > span)').length);
    if (bad) fail('an attribute of a payload is there');
    ok('no attribute came out of a payload');
    await clean(page, 'a hostile task');
    await page.context().close();
}
