-- release: ASSIGNED, RUNNING -> QUEUED, due as it was; no attempt is burned.
-- One that was to be stopped: -> STOPPED.
-- FLAGS: allow-oom
-- ARGV[3] worker  ARGV[4...] two a task: id, ticket ('fence token')
-- Returns now_us, then a word a task: OK or STALE
local base = KEYS[1]
local now, now_us = enter(ARGV)
local ids = {}
for i = 4, #ARGV, 2 do
    ids[#ids + 1] = ARGV[i]
end
local states, tasks = fetch(base .. ':state', ids), fetch(base .. ':task', ids)
local w, reply, seen = writer(base, 'release'), {num(now_us)}, {}
for i, id in ipairs(ids) do
    local r = states[i] and decode(states[i])
    local word = 'STALE'
    if r and not seen[id] and tasks[i]
        and (r.status == 'ASSIGNED' or r.status == 'RUNNING')
        and r.fence .. ' ' .. r.token == ARGV[3 + 2 * i] then
        word = 'OK'
        leave(w, id, r, tasks[i])
        if r.status == 'RUNNING' then
            if not r.of then
                history(w, id, r, 'STOPPED', now,
                        '{"error":"released: its worker was shut down"}')
            end
            r.stop = now
        end
        give_back(w, id, r, now, tasks[i])
    end
    seen[id] = true
    reply[#reply + 1] = word
end
flush(w, now)
return reply
