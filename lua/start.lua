-- start: ASSIGNED -> RUNNING, of tasks the worker had prefetched.
-- FLAGS: allow-oom
-- ARGV[3] worker  ARGV[4...] two a task: id, ticket ('fence token')
-- Returns now_us, then a word a task: OK (also when it was started before by a
-- call whose answer got lost), STALE (stopped, or not its own any more) or
-- EXPIRED
local base, worker = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local ids = {}
for i = 4, #ARGV, 2 do
    ids[#ids + 1] = ARGV[i]
end
local w, reply = writer(base, 'start'), {num(now_us)}
local states = fetch(base .. ':state', ids)
local seen = {}
for i, id in ipairs(ids) do
    local r = states[i] and decode(states[i])
    local word = 'STALE'
    local own = r and not seen[id] and r.worker == worker
        and r.fence .. ' ' .. r.token == ARGV[3 + 2 * i]
    if own and r.status == 'RUNNING' then
        word = 'OK'
    elseif own and r.status == 'ASSIGNED' then
        put(w, 'SREM', base .. ':assigned:' .. worker, id)
        if r.expire then
            put(w, 'ZREM', base .. ':expiry', id)
        end
        if r.expire and tonumber(r.expire) < now then
            word = 'EXPIRED'
            r.token, r.worker = '-', '-'
            finish(w, id, r, 'EXPIRED', now)
        else
            word = 'OK'
            r.status, r.start, r.stop = 'RUNNING', now, 0
            save(w, id, r)
            tell(w, id, r)
            put(w, 'SADD', base .. ':running:' .. worker, id)
        end
    end
    seen[id] = true
    reply[#reply + 1] = word
end
flush(w, now)
return reply
