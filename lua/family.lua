-- family: a task and whom it knows: for drawing graphs.
-- FLAGS: no-writes
-- ARGV[3] how many children to name, most  ARGV[4...] ids
-- Returns now_us, then four a task: state record ('' none), task ('' no such
-- id), due (of one without a record), a list of children (GROUP/ID)
local base = KEYS[1]
local now, now_us = enter(ARGV)
local ids = {}
for i = 4, #ARGV do
    ids[#ids + 1] = ARGV[i]
end
local states, tasks = fetch(base .. ':state', ids), fetch(base .. ':task', ids)
local reply = {num(now_us)}
for i, id in ipairs(ids) do
    reply[#reply + 1] = states[i] or ''
    reply[#reply + 1] = tasks[i] or ''
    reply[#reply + 1] = not states[i] and tasks[i]
        and redis.call('ZSCORE', base .. ':queued', id) or ''
    reply[#reply + 1] = redis.call('ZRANGE', base .. ':children:' .. id, 0,
                                   tonumber(ARGV[3]) - 1)
end
return reply
