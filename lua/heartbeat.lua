-- heartbeat: renews a worker's lease on a group's tasks. With what the worker
-- holds (after every loss of the connection) it also brings both sides into
-- step: what Redis thinks it holds, but it does not, is given back at once (an
-- assign reply that was lost); what it holds, but does not own, is named.
-- FLAGS: allow-oom
-- ARGV[3] worker  ARGV[4] lease in ms, 0: the worker leaves
-- ARGV[5] 1: the list follows  ARGV[6...] two a task: id, ticket
-- Returns now_us, OK or NEW (there was no lease: it should send its list), 1 if
-- somebody's lease has ended (recover is due), then the ids it has lost
local base, worker = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local reply = {num(now_us), 'OK', '0'}
local w = writer(base)
local lease = redis.call('ZSCORE', base .. ':workers', worker)
if not lease or tonumber(lease) < now then
    reply[2] = 'NEW'
end
for _, other in ipairs(redis.call('ZRANGEBYSCORE', base .. ':workers', '-inf',
                                  '(' .. num(now), 'LIMIT', 0, 2)) do
    if other ~= worker then
        reply[3] = '1'
    end
end
if ARGV[5] == '1' then
    local held, ids = {}, {}
    for i = 6, #ARGV, 2 do
        ids[#ids + 1] = ARGV[i]
        held[ARGV[i]] = ARGV[i + 1]
    end
    local states = fetch(base .. ':state', ids)
    for i, id in ipairs(ids) do
        local r = states[i] and decode(states[i])
        if not r or r.fence .. ' ' .. r.token ~= held[id]
            or (r.status ~= 'RUNNING' and r.status ~= 'ASSIGNED') then
            reply[#reply + 1] = id
        end
    end
    for _, kind in ipairs({':running:', ':assigned:'}) do
        local back = redis.call('ZRANGE', base .. kind .. worker, 0,
                                HELD_MAX - 1)
        local recs, tasks = fetch(base .. ':state', back),
                            fetch(base .. ':task', back)
        for i, id in ipairs(back) do
            local r = recs[i] and decode(recs[i])
            if r and held[id] == r.fence .. ' ' .. r.token then
                -- it holds it
            elseif r and tasks[i] and place(base, r, tasks[i])
                == base .. kind .. worker then
                leave(w, id, r, tasks[i])
                r.token, r.start = '-', 0
                requeue(w, id, r, r.next, tasks[i])
            else
                put(w, 'ZREM', base .. kind .. worker, id)
            end
        end
    end
end
if ARGV[4] == '0' then
    -- Holding nothing it may go; otherwise recover finds it at once.
    if redis.call('EXISTS', base .. ':running:' .. worker,
                  base .. ':assigned:' .. worker) == 0 then
        put(w, 'ZREM', base .. ':workers', worker)
    else
        put(w, 'ZADD', base .. ':workers', '0', worker)
    end
else
    put(w, 'ZADD', base .. ':workers', num(now + tonumber(ARGV[4])), worker)
end
flush(w)
return reply
