-- events: what a group's event stream holds, oldest first.
-- FLAGS: no-writes
-- ARGV[3] from which entry on: its id, or with a ( in front the one behind it;
-- -: the oldest; $: none, only where the stream ends
-- ARGV[4] events of about how many tasks: at least one entry
-- ARGV[5] only entries that may name this id, '': all
-- Returns now_us, how many entries are kept (0: none are written), the last
-- entry that was looked at (its id; '': there was none), then three an entry:
-- id, verb, tasks as prelude_events.lua has them
local STEP_ENTRIES, LOOKED_MAX = 20, 1000
local base, from, want, id = KEYS[1], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local now, now_us = enter(ARGV)
local key = base .. ':events'
local reply = {num(now_us), num(events_kept(base)), ''}
if from == '$' then
    local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', '1')[1]
    reply[3] = last and last[1] or ''
    return reply
end
local n, looked, found = 0, 0, nil
repeat
    found = redis.call('XRANGE', key, from, '+', 'COUNT', num(STEP_ENTRIES))
    for _, entry in ipairs(found) do
        local fields = entry[2]
        local tasks = fields[1] == 'verb' and fields[3] == 'n'
            and fields[5] == 'tasks' and fields[6]
        if tasks and (id == '' or find(tasks, id, 1, true)) then
            reply[#reply + 1] = entry[1]
            reply[#reply + 1] = fields[2]
            reply[#reply + 1] = tasks
            n = n + (tonumber(fields[4]) or 1)
        end
        reply[3], from = entry[1], '(' .. entry[1]
        looked = looked + 1
        if n >= want then
            break
        end
    end
until n >= want or #found < STEP_ENTRIES or looked >= LOOKED_MAX
return reply
