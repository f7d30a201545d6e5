-- heartbeat: renews a worker's lease on a group's tasks. With what the worker
-- holds (after every loss of the connection) it also brings both sides into
-- step: what Redis thinks it holds, but it does not, is given back at once (an
-- assign reply that was lost); what it holds, but does not own, is named.
-- FLAGS: allow-oom
-- ARGV[3] worker  ARGV[4] lease in ms, 0: the worker leaves
-- ARGV[5] 1: the list follows; an r behind it: it rests (takes nothing new);
-- behind a blank Redis's time (us) as the worker heard it last: what it was
-- assigned since, it cannot list, and a list that comes late (from a connection
-- that is dead) gives none of it back. Older workers leave it out
-- ARGV[6...] two a task: id, ticket
-- Returns now_us, OK or NEW (there was no lease: it should send its list), 1 if
-- somebody's lease has ended (recover is due), 1 if parts of broadcasts wait
-- for it, how many tasks it holds as Redis sees it (behind the list: after what
-- was given back), how many it has lost, these
-- (id and ticket of each), then the ids it is to stop
local base, worker = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local reply = {num(now_us), 'OK', '0', '0', '0', '0'}
local holds = redis.call('SCARD', base .. ':running:' .. worker)
    + redis.call('SCARD', base .. ':assigned:' .. worker)
local listed, rests, heard = string.match(ARGV[5], '^(%d)(r?) ?(%d*)$')
rests = rests == 'r'
heard = tonumber(heard) or now_us
local w = writer(base, 'heartbeat')
local lease = redis.call('ZSCORE', base .. ':workers', worker)
if not lease or tonumber(lease) < now then
    reply[2] = 'NEW'
end
for _, other in ipairs(redis.call('ZRANGEBYSCORE', base .. ':workers', '-inf',
                                  '(' .. num(now), 'LIMIT', '0', '2')) do
    if other ~= worker then
        reply[3] = '1'
    end
end
-- Assigned after it was heard; a fence ahead of the clock tells nothing.
local function is_news(r)
    local fence = tonumber(r.fence)
    return fence > heard and fence <= now_us
end

if listed == '1' then
    local held, ids = {}, {} -- it may hold an old assignment of one, too
    for i = 6, #ARGV, 2 do
        ids[#ids + 1] = ARGV[i]
        held[ARGV[i] .. ' ' .. ARGV[i + 1]] = true
    end
    local states = fetch(base .. ':state', ids)
    for i, id in ipairs(ids) do
        local r = states[i] and decode(states[i])
        local ticket = ARGV[5 + 2 * i]
        if not r or r.fence .. ' ' .. r.token ~= ticket
            or (r.status ~= 'RUNNING' and r.status ~= 'ASSIGNED') then
            reply[#reply + 1] = id
            reply[#reply + 1] = ticket
        end
    end
    for _, kind in ipairs({':running:', ':assigned:'}) do
        local back = some_of(base .. kind .. worker, '0', HELD_MAX)
        local recs, tasks = fetch(base .. ':state', back),
                            fetch(base .. ':task', back)
        for i, id in ipairs(back) do
            local r = recs[i] and decode(recs[i])
            if r and held[id .. ' ' .. r.fence .. ' ' .. r.token] then
                -- it holds it
            elseif r and r.worker == worker and is_news(r) then
                -- its next list will tell
            elseif r and tasks[i] and place(base, r, tasks[i])
                == base .. kind .. worker then
                leave(w, id, r, tasks[i])
                r.start = 0
                give_back(w, id, r, now, tasks[i])
                holds = holds - 1
            else
                give_up(w, base .. kind .. worker, 'S', id, r, tasks[i], now,
                        now_us)
                holds = holds - 1
            end
        end
    end
end
reply[5] = num(holds)
reply[6] = num((#reply - 6) / 2)
for _, id in ipairs(redis.call('ZRANGE', base .. ':stops:' .. worker, '0',
                               num(STEP - 1))) do
    reply[#reply + 1] = id
end
if redis.call('EXISTS', base .. ':cast:' .. worker) == 1 then
    reply[4] = '1'
end
if rests and ARGV[4] ~= '0' then
    -- What it has not begun of broadcasts, it will not run.
    local parts = redis.call('ZRANGE', base .. ':cast:' .. worker, 0, STEP - 1)
    for _, id in ipairs(parts) do
        local r, task = look_up(base, id)
        if r and r.status == 'QUEUED' then
            leave(w, id, r, task)
            finish(w, id, r, 'STOPPED', now,
                   '{"error":"its worker takes nothing new"}')
        end
    end
    put(w, 'ZADD', base .. ':resting', num(now + tonumber(ARGV[4])), worker)
else
    put(w, 'ZREM', base .. ':resting', worker)
end
if ARGV[4] == '0' then
    put(w, 'UNLINK', base .. ':signal:' .. worker)
    -- Holding nothing it may go; otherwise recover finds it at once.
    if redis.call('EXISTS', base .. ':running:' .. worker,
                  base .. ':assigned:' .. worker,
                  base .. ':cast:' .. worker) == 0 then
        put(w, 'ZREM', base .. ':workers', worker)
    else
        put(w, 'ZADD', base .. ':workers', '0', worker)
    end
else
    put(w, 'ZADD', base .. ':workers', num(now + tonumber(ARGV[4])), worker)
end
flush(w, now)
return reply
