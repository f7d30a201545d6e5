-- task_status: what is known of tasks.
-- FLAGS: no-writes
-- ARGV[3] 1: only records  2: with results  3: and with runs  ARGV[4...] ids
-- Returns now_us, then five a task: state record ('' none), task ('' no such
-- id), due (of one without a record), what came of the last run, and a list
-- of earlier runs, newest first
local base = KEYS[1]
local now, now_us = enter(ARGV)
local ids = {}
for i = 4, #ARGV do
    ids[#ids + 1] = ARGV[i]
end
local states, tasks = fetch(base .. ':state', ids), fetch(base .. ':task', ids)
local runs = ARGV[3] ~= '1' and fetch(base .. ':run', ids) or {}
local reply = {num(now_us)}
for i, id in ipairs(ids) do
    reply[#reply + 1] = states[i] or ''
    reply[#reply + 1] = tasks[i] or ''
    reply[#reply + 1] = not states[i] and tasks[i]
        and redis.call('ZSCORE', base .. ':queued', id) or ''
    reply[#reply + 1] = runs[i] or ''
    reply[#reply + 1] = ARGV[3] == '3'
        and redis.call('LRANGE', base .. ':run:' .. id, 0,
                       string.find(states[i] or '', ' cast=1', 1, true)
                       and CAST_MAX - 1 or RUNS_KEPT - 1) or {}
end
return reply
