// SPDX-License-Identifier: MIT
// Tasks in JavaScript: `stint worker --config worker.json` runs them.
import {readFile} from 'node:fs/promises';
import {NoRetry, serve, task} from 'stint';

// The longest word of a file.
task('longest', async (run, path) => {
    run.progress(0, 'reading');
    let text;
    try {
        text = await readFile(path, {encoding: 'utf8', signal: run.signal});
    } catch (why) {
        if (why.code === 'ENOENT')
            throw new NoRetry(why.message);
        throw why;
    }
    const words = text.split(/\s+/);
    console.log(`${words.length} words in ${path}`);
    return words.reduce((a, b) => (b.length > a.length ? b : a), '');
});

serve();
