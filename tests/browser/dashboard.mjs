// SPDX-License-Identifier: MIT
// The dashboard in a real browser against a real fleet: test_dashboard.sh has
// started both.
import {launch, shot, summary} from './browser.mjs';
import {literally, pages} from './pages.mjs';
import {filtered, oneTask, queueing, searching, thousands, waiting} from './tasks.mjs';
import {charts, events, groups, schedules, workers} from './fleet.mjs';
import {keys, lost, roles, theme} from './frame.mjs';

const ids = JSON.parse(process.env.IDS);
const many = Number(process.env.MANY);
const all = {
    pages: (b) => pages(b, ids),
    literally: (b) => literally(b, ids),
    queueing, oneTask,
    waiting: (b) => waiting(b, ids),
    searching: (b) => searching(b, ids),
    thousands: (b) => thousands(b, many),
    filtered, groups, charts,
    schedules: (b) => schedules(b, ids),
    events, keys, theme, lost,
    roles: (b) => roles(b, process.env.SAFE_URL),
    workers,
};
const wanted = process.argv.slice(2);
const browser = await launch();
let failed = 0;
for (const [name, test] of Object.entries(all)) {
    if (wanted.length && !wanted.includes(name)) continue;
    const begin = Date.now();
    try {
        await test(browser);
        console.log(`# ${name}: ${Date.now() - begin} ms`);
    } catch (e) {
        failed += 1;
        console.error(`FAILED: ${name}: ${e.stack}`);
        for (const context of browser.contexts()) {
            for (const page of context.pages())
                await shot(page, `wrong-${name}`).catch(() => {});
            await context.close();
        }
    }
}
await browser.close();
if (failed) process.exitCode = 1;
else summary();
