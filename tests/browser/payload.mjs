// SPDX-License-Identifier: MIT
// The tasks of the browser tests, a JSON object a line for queue-task --file:
//   node payload.mjs few    one of each kind, with what would run if it were HTML
//   node payload.mjs side    forty for the group side
//   node payload.mjs many N
export const HOSTILE = '<script>window.pwned=1</script>"><img src=x '
    + 'onerror=window.pwned=1> שלום \u202eevil e\u0301漢字🎉 \u0007\u001b[31m'
    + ' javascript:window.pwned=1 {{7*7}} &lt;b&gt; \u2028 </textarea></pre>';

const lines = [];
const add = (task) => lines.push(JSON.stringify(task));

if (process.argv[2] === 'few') {
    const label = HOSTILE.slice(0, 80); /* at most 128 bytes, no control bytes */
    add({id: 'hostile-0000000001', function: 'hostile', task_name: label,
        args: [HOSTILE, {[HOSTILE]: HOSTILE}], vars: {[HOSTILE]: HOSTILE, n: '@'}});
    lines.push(lines.pop().replace('"@"', '9007199254740993'));
    add({id: 'wrong-000000000001', function: 'wrong', task_name: label,
        args: [HOSTILE], retry_failed: 1, retry_delay: 0.1});
    add({id: 'tagged-00000000001', function: 'echo', task_name: 'a needle',
        args: ['in-a-haystack'], tags: ['peculiar', 'other']});
    add({id: 'held-0000000000001', function: 'echo', disabled: true});
    add({id: 'parent-00000000001', function: 'echo', args: ['one']});
    add({id: 'parent-00000000002', function: 'echo', args: ['two']});
    add({id: 'child-000000000001', function: 'echo', task_name: label,
        depends_on: ['parent-00000000001', 'parent-00000000002']});
    add({id: 'cron-0000000000001', function: 'echo', cronline: '0 6 * * *',
        timezone: 'Europe/Berlin'});
    add({id: 'period-00000000001', function: 'echo', task_name: label, repeats: 0,
        period: 3600, start_time: '+1h'});
    for (let i = 0; i < 120; i++)
        add({function: i % 9 ? 'echo' : 'wrong', task_name: i % 5 ? 'resize' : label,
            args: [`photo-${i}.jpg`, i % 7 ? i : HOSTILE], vars: {size: '800x600'}});
    for (let i = 0; i < 30; i++)
        add({function: 'echo', group_name: 'side', tags: ['batch'],
            start_time: '+3h'});
} else if (process.argv[2] === 'side') {
    for (let i = 0; i < 40; i++)
        add({function: 'echo', group_name: 'side', start_time: '+4h'});
} else {
    const n = Number(process.argv[3]);
    for (let i = 0; i < n; i++)
        add({function: 'nightly', group_name: 'many', start_time: '+5h',
            args: [i, i % 50 ? 'a plain one' : HOSTILE]});
}
process.stdout.write(`${lines.join('\n')}\n`);
