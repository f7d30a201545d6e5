-- Behind prelude.lua: what follows for others when a task has ended: children,
-- here and in other groups, and broadcasts, whose runs are tasks of their own.

-- A task is named GROUP/ID where another group may be meant.
local function own_group(base)
    return string.match(base, '^{[^:]*:(.*)}$')
end

-- GROUP/ID as people write it: groups may be in parts, GROUP~PART.
local function shown(ref)
    return (string.gsub(ref, '~%d+/', '/'))
end

-- The fleet's groups; with the number of parts behind a blank where there are
-- several. A copy, for those who serve them: the parts know it better.
local function fleet_groups(base)
    local groups = redis.call('ZRANGE', base .. ':groups', 0, 999)
    local parts = redis.call('HGETALL', base .. ':parts')
    local of = {}
    for i = 1, #parts, 2 do
        of[parts[i]] = string.match(parts[i + 1], '^%d+')
    end
    for i, name in ipairs(groups) do
        groups[i] = of[name] and name .. ' ' .. of[name] or name
    end
    return groups
end

-- A message to another group, delivered by whoever comes by: nobody's script
-- touches two slots. KIND GROUP ID FROM WORD
local function post(w, now, kind, to, from, word)
    local group, id = string.match(to, '^([^/]+)/(.+)$')
    put(w, 'ZADD', w.base .. ':messages', num(now), kind .. ' ' .. group .. ' '
        .. id .. ' ' .. from .. ' ' .. word)
    w.posted = true
end

-- One of the parents of a task has ended. recs: records changed by this call.
local function parent_ended(w, id, from, status, now, recs)
    local r, task = recs[id], nil
    if w.gone[id] then
        return
    end
    if r then
        task = r.text
    else
        r, task = look_up(w.base, id)
        if not r then
            return
        end
        r.text, r.open_parents = task, {}
        recs[id] = r
    end
    local key = w.base .. ':parents:' .. id
    if r.status ~= 'QUEUED' or not r.wait or r.open_parents[from]
        or redis.call('TYPE', key).ok ~= 'set' -- a repair tells it
        or redis.call('SISMEMBER', key, from) == 0 then
        return
    end
    r.open_parents[from] = true
    if status ~= 'COMPLETED' and not r.anyway then
        leave(w, id, r, task)
        finish(w, id, r, 'FAILED', now,
               '{"error":"it depends on ' .. shown(from) .. ', which ended '
               .. status .. '"}')
        return
    end
    put(w, 'SREM', w.base .. ':parents:' .. id, from)
    local left = tonumber(r.wait) - 1
    if left > 0 then
        r.wait = num(left)
        save(w, id, r)
        return
    end
    local before = place(w.base, r, task)
    r.wait = nil
    if shelf(w.base, r, task) == before then
        save(w, id, r) -- disabled: it stays where it is
        return
    end
    put(w, 'ZREM', before, id)
    requeue(w, id, r, r.next, task)
end

-- Tell at most `room` children of an ended task; returns how many.
local function tell_children(w, id, status, now, recs, room)
    local key = w.base .. ':children:' .. id
    local kids = redis.call('ZRANGEBYSCORE', key, '0', '0', 'LIMIT', '0',
                            num(room))
    local own = own_group(w.base)
    for _, kid in ipairs(kids) do
        local group, child = string.match(kid, '^([^/]+)/(.+)$')
        put(w, 'ZADD', key, '1', kid)
        if group == own then
            parent_ended(w, child, own .. '/' .. id, status, now, recs)
        else
            post(w, now, 'ended', kid, own .. '/' .. id, status)
        end
    end
    if #kids == room then
        put(w, 'ZADD', w.base .. ':endings', num(now), id)
    else
        put(w, 'ZREM', w.base .. ':endings', id)
    end
    return #kids
end

-- Parts of a broadcast have ended: has it?
local function parts_ended(w, id, part, now)
    local r = look_up(w.base, id)
    if not r or r.status ~= 'RUNNING' or not r.cast then
        return
    end
    r.open = num(tonumber(r.open or 0) - part.n)
    r.ran = num(tonumber(r.ran or 0) + part.ran)
    r.bad = num(tonumber(r.bad or 0) + part.bad)
    -- The last part may be one that was skipped, and knows no match.
    r.match = part.cron and num(part.cron) or r.match
    if tonumber(r.open) > 0 then
        save(w, id, r)
        return
    end
    local ran, bad = tonumber(r.ran), tonumber(r.bad)
    local payload = '{"result":{"runs":' .. r.ran .. ',"completed":'
        .. num(ran - bad) .. '}'
    local status = 'COMPLETED'
    if r.stopping then
        status = 'STOPPED'
    elseif ran == 0 then
        status = 'FAILED'
        payload = payload .. ',"error":"no worker of the group knows its '
            .. 'function"'
    elseif bad > 0 then
        status = 'FAILED'
        payload = payload .. ',"error":"' .. r.bad .. ' of ' .. r.ran
            .. ' runs did not complete"'
    end
    payload = payload .. '}'
    put(w, 'ZREM', w.base .. ':casting', id)
    local due
    if status == 'COMPLETED' then
        status, due = judge(r, status, now, r.match and tonumber(r.match))
    end
    r.ran, r.bad, r.open, r.parts, r.stopping = nil, nil, nil, nil, nil
    r.match = nil
    if status then
        finish(w, id, r, status, now, payload)
    else
        r.stop = now
        requeue(w, id, r, due)
    end
end

-- What follows when tasks end: bounded, the reaper does the rest.
settle = function(w, now)
    local recs, room = {}, STEP
    local verb = tell_as(w, 'settle')
    for id, part in pairs(w.parts) do
        parts_ended(w, id, part, now)
    end
    local i = 1
    while w.ended[i] do
        local id, status = w.ended[i][1], w.ended[i][2]
        if room > 0 then
            room = room - tell_children(w, id, status, now, recs, room)
        else
            put(w, 'ZADD', w.base .. ':endings', num(now), id)
        end
        i = i + 1
    end
    tell_as(w, verb)
end

-- Due broadcasts -> RUNNING, one part for each live worker that takes tasks.
local function fire_due(w, now, now_us, limit)
    local base = w.base
    local due = redis.call('ZRANGEBYSCORE', base .. ':broadcast', '-inf',
                           num(now), 'LIMIT', '0', num(limit))
    if #due == 0 or paused_since(base) then
        return 0
    end
    local live = redis.call('ZRANGEBYSCORE', base .. ':workers', num(now),
                            '+inf', 'LIMIT', 0, CAST_MAX)
    local workers, resting = {}, {}
    for _, worker in ipairs(redis.call('ZRANGE', base .. ':resting', 0,
                                       CAST_MAX - 1)) do
        resting[worker] = true
    end
    for _, worker in ipairs(live) do
        if not resting[worker] then
            workers[#workers + 1] = worker
        end
    end
    if #workers == 0 then
        return 0
    end
    local n, verb = 0, tell_as(w, 'fire')
    for _, id in ipairs(due) do
        local r, task = look_up(base, id)
        if r and r.status == 'QUEUED' and not (r.expire
                and tonumber(r.expire) < now) then
            leave(w, id, r, task)
            r.fence, r.worker = next_fence(r, now_us), '*'
            r.status, r.start, r.stop, r.token = 'RUNNING', now, 0, 'cast'
            r.parts, r.open = num(#workers), num(#workers)
            save(w, id, r)
            tell(w, id, r, function_of(task))
            put(w, 'ZADD', base .. ':casting', r.fence, id)
            for i, worker in ipairs(workers) do
                local part = {status = 'QUEUED', fence = '0', token = '-',
                              worker = worker, next = now, start = 0,
                              stop = 0, of = id, retry = r.retry,
                              delay = r.delay, backoff = r.backoff,
                              cap = r.cap, period = r.period,
                              cron = r.cron, discard = r.discard}
                if r.cron and tonumber(r.begin or 0) > now then
                    part.begin = r.begin -- no match before it
                end
                put(w, 'HSET', base .. ':task', id .. '@' .. num(i), task)
                requeue(w, id .. '@' .. num(i), part, now, task)
                signal(w, worker)
            end
            n = n + 1
        end
    end
    tell_as(w, verb)
    return n
end
