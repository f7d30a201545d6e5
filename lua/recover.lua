-- recover: ASSIGNED, RUNNING of workers whose lease has ended -> QUEUED, due
-- as they were; the run is LOST. A task lost LOST_MAX times is FAILED.
-- FLAGS: allow-oom
-- ARGV[3] at most so many  ARGV[4] leases ended before this time only (ms,
-- 0: now): a reaper that saw Redis's clock jump holds back
-- Returns now_us, how many, 1 if there may be more
local base = KEYS[1]
local now, now_us = enter(ARGV)
local limit, before = tonumber(ARGV[3]), tonumber(ARGV[4])
if before == 0 or before > now then
    before = now
end
local w, moved, more = writer(base), 0, false
local lapsed = redis.call('ZRANGEBYSCORE', base .. ':workers', '-inf',
                          '(' .. num(before), 'LIMIT', 0, 20)
for _, worker in ipairs(lapsed) do
    local left = false
    for _, kind in ipairs({':running:', ':assigned:'}) do
        local key = base .. kind .. worker
        local ids = {}
        if moved < limit then
            ids = redis.call('ZRANGE', key, 0, limit - moved - 1)
        end
        if redis.call('ZCARD', key) > #ids then
            left = true
        end
        local states, tasks = fetch(base .. ':state', ids),
                              fetch(base .. ':task', ids)
        for i, id in ipairs(ids) do
            local r = states[i] and decode(states[i])
            if r and tasks[i] and place(base, r, tasks[i]) == key then
                leave(w, id, r, tasks[i])
                local payload = '{"error":"its worker ' .. worker
                    .. ' was lost"}'
                local due, lost = r.next, r.status == 'RUNNING'
                if lost then
                    r.lost = num(tonumber(r.lost or 0) + 1)
                    r.stop = now
                end
                r.token = '-'
                if lost and tonumber(r.lost) >= LOST_MAX then
                    history(w, id, r, 'LOST', now, payload)
                    finish(w, id, r, 'FAILED', now,
                           '{"error":"its worker was lost ' .. r.lost
                           .. ' times, the last was ' .. worker .. '"}')
                else
                    if lost then
                        history(w, id, r, 'LOST', now, payload)
                    end
                    requeue(w, id, r, due, tasks[i])
                end
            else
                put(w, 'ZREM', key, id)
            end
            moved = moved + 1
        end
    end
    if left then
        more = true
    else
        put(w, 'ZREM', base .. ':workers', worker)
    end
end
flush(w)
return {num(now_us), num(moved),
        (more or #lapsed == 20) and '1' or '0'}
