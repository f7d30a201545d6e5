-- event_functions: which functions tasks are of, for events that do not say it.
-- FLAGS: no-writes
-- ARGV[3...] ids
-- Returns now_us, then a function an id, '' if the task is gone. Where tasks are
-- large there may be fewer: ask for the others again
local BYTES_MAX = 1048576 -- looked at
local base = KEYS[1]
local now, now_us = enter(ARGV)
local has_large = redis.call('EXISTS', base .. ':large') == 1
local reply, bytes, ids = {num(now_us)}, 0, {}
for i = 3, #ARGV do
    if has_large then
        bytes = bytes + redis.call('HSTRLEN', base .. ':task', ARGV[i])
        if bytes > BYTES_MAX and i > 3 then
            break
        end
    end
    ids[#ids + 1] = ARGV[i]
end
local tasks = fetch(base .. ':task', ids)
for i = 1, #ids do
    local task = tasks[i]
    reply[#reply + 1] = task and task ~= '-' and task ~= LOST
        and function_of(task) or ''
end
return reply
