-- progress: RUNNING, and its output so far, for whoever looks at it.
-- FLAGS:
-- ARGV[3] worker  ARGV[4...] three a task: id, ticket ('fence token'), what
-- there is (JSON)
-- Returns now_us, then a word a task: OK or STALE
local base, worker = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local ids = {}
for i = 4, #ARGV, 3 do
    ids[#ids + 1] = ARGV[i]
end
local states = fetch(base .. ':state', ids)
local w, reply = writer(base, 'progress'), {num(now_us)}
for i, id in ipairs(ids) do
    local r = states[i] and decode(states[i])
    local word = 'STALE'
    if r and r.status == 'RUNNING' and r.worker == worker
        and r.fence .. ' ' .. r.token == ARGV[2 + 3 * i] then
        word = 'OK'
        if not r.live then
            r.live = '1'
            save(w, id, r)
        end
        put(w, 'HSET', base .. ':run', id, ARGV[3 + 3 * i])
    end
    reply[#reply + 1] = word
end
flush(w, now)
return reply
