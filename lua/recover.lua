-- recover: ASSIGNED, RUNNING of workers whose lease has ended -> QUEUED, due
-- as they were; the run is LOST. A task lost as often as its max_crashes is
-- FAILED, one that was to be stopped STOPPED. Parts of broadcasts are LOST.
-- FLAGS: allow-oom
-- ARGV[3] at most so many  ARGV[4] leases ended before this time only (ms,
-- 0: now): a reaper that saw Redis's clock jump holds back
-- ARGV[5], ARGV[6] a worker that has died, and how (JSON, or ''): evidence that
-- its supervisor saw. Its lease need not have ended
-- Returns now_us, how many, 1 if there may be more
local base = KEYS[1]
local now, now_us = enter(ARGV)
local limit, before = tonumber(ARGV[3]), tonumber(ARGV[4])
if before == 0 or before > now then
    before = now
end
local w, moved, more = writer(base, 'recover'), 0, false
local lapsed = redis.call('ZRANGEBYSCORE', base .. ':workers', '-inf',
                          '(' .. num(before), 'LIMIT', 0, 20)
local died = ARGV[5]
if died and redis.call('ZSCORE', base .. ':workers', died) then
    lapsed = {died}
end

-- How it was lost, for people.
local function evidence(r, worker)
    local text = '{"error":"its worker ' .. worker .. ' was lost'
    local seen = worker == died and ARGV[6] or ''
    if string.find(seen, '^{"how":"[^"\\]*"') then
        text = text .. ': ' .. string.match(seen, '^{"how":"([^"\\]*)"')
    end
    text = text .. '"'
    if string.find(seen, '^{.+}$') then
        text = text .. ',"worker_end":' .. seen
    end
    return text .. '}'
end

-- The last word on a task that was lost too often.
local function verdict(r, worker)
    local text = evidence(r, worker)
    return '{"error":"its worker was lost ' .. r.lost
        .. (r.lost == '1' and ' time' or ' times') .. ' (max_crashes); the last time ' .. string.match(text,
            '^{"error":"its worker (.*)$')
end

for _, worker in ipairs(lapsed) do
    local left = false
    for _, kind in ipairs({':running:', ':assigned:', ':cast:'}) do
        local key = base .. kind .. worker
        local of = kind == ':cast:' and 'Z' or 'S'
        local ids = {}
        if moved < limit and of == 'Z' then
            ids = redis.call('ZRANGE', key, 0, limit - moved - 1)
        elseif moved < limit then
            -- Any of them: a scan would begin, each time, with all those
            -- places that are empty by now.
            ids = redis.call('SRANDMEMBER', key, num(limit - moved))
        end
        if redis.call(of .. 'CARD', key) > #ids then
            left = true
        end
        local states, tasks = fetch(base .. ':state', ids),
                              fetch(base .. ':task', ids)
        for i, id in ipairs(ids) do
            local r = states[i] and decode(states[i])
            if r and tasks[i] and place(base, r, tasks[i]) == key then
                if r.status == 'RUNNING' then
                    tally_lost(w, function_of(tasks[i]))
                end
                leave(w, id, r, tasks[i])
                local crashes = tonumber(r.crashes or LOST_MAX)
                if r.of then
                    finish(w, id, r, 'LOST', now, evidence(r, worker))
                elseif r.status == 'RUNNING' then
                    r.lost = num(tonumber(r.lost or 0) + 1)
                    r.stop = now
                    history(w, id, r, 'LOST', now, evidence(r, worker))
                    if crashes >= 0 and tonumber(r.lost) >= crashes
                        and not r.stopping then
                        r.token = '-'
                        finish(w, id, r, 'FAILED', now, verdict(r, worker))
                    else
                        give_back(w, id, r, now, tasks[i])
                    end
                else
                    give_back(w, id, r, now, tasks[i])
                end
            else
                give_up(w, key, of, id, r, tasks[i], now, now_us)
            end
            moved = moved + 1
        end
    end
    if left then
        more = true
    else
        put(w, 'ZREM', base .. ':workers', worker)
        put(w, 'ZREM', base .. ':resting', worker)
        put(w, 'UNLINK', base .. ':signal:' .. worker)
        put(w, 'UNLINK', base .. ':stops:' .. worker)
    end
end
flush(w, now)
return {num(now_us), num(moved),
        (more or #lapsed == 20) and '1' or '0'}
