-- Behind prelude.lua: how long tasks were due until they were started, and how
-- long their runs took, counted by function in the hash KEYS[1]:measures.
--
-- A field is KIND, for the group in all, or KIND FUNCTION with a blank between
-- (no function has one in its name):
--   qI          runs started that were due so long: bucket I
--   CI FI TI SI runs that took so long and were reported COMPLETED, FAILED,
--               TIMEOUT, STOPPED
--   L           runs lost with their worker: how long they took nobody knows
--   qs rs       ms in all, of those started and of those reported
-- Besides: "bounds" (ms, up to which each bucket counts; the last has none),
-- "functions" (how many are told apart) and "f FUNCTION" (it is one of them).
-- A script adds to a field once, however many tasks it moves. Measures are no
-- truth: they never make a call fail (pcall), and are written last.

local BOUNDS = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000,
                30000, 60000, 300000, 900000, 3600000}
local FUNCTIONS_MAX = 200
local OTHER = '(other)' -- further ones, and those that nobody told
local ENDS = {COMPLETED = 'C', FAILED = 'F', TIMEOUT = 'T', STOPPED = 'S'}

-- What runs of a kind and function this call has seen. Most are like the one
-- before: `at`, since when, as a number or text; `n` of them in a row.
local function new_tally(w, kind, fn)
    local t = {kind = kind, fn = fn ~= '' and fn or OTHER, at = '0', n = 0,
               sum = 0, first = #BOUNDS + 1, last = 0} -- buckets
    w.tallies = w.tallies or {}
    w.tallies[#w.tallies + 1] = t
    return t
end

local function close_row(t, now)
    if t.n > 0 then
        local since = tonumber(t.at) or tonumber(match(t.at, '%d+$')) or now
        local ms = math.max(now - since, 0)
        local i = 1
        while BOUNDS[i] and ms > BOUNDS[i] do
            i = i + 1
        end
        t[i] = (t[i] or 0) + t.n
        t.first, t.last = math.min(t.first, i), math.max(t.last, i)
        t.sum = t.sum + ms * t.n
        t.n = 0
    end
end

-- One more, since `at`.
local function tally(t, at, now)
    if at ~= t.at then
        close_row(t, now)
        t.at = at
    end
    t.n = t.n + 1
end

-- A run that was lost.
local function tally_lost(w, fn)
    w.lost = w.lost or {}
    w.lost[fn] = (w.lost[fn] or 0) + 1
end

-- nil: it cannot be counted. 1: the field is new.
local function count(key, field, n)
    local sum = redis.pcall('HINCRBY', key, field, num(n))
    return type(sum) == 'number' and (sum == n and 1 or 0) or nil
end

-- A function has come that had no such field. false: it is one too many.
local function is_told_apart(key, fn)
    if redis.pcall('HSTRLEN', key, 'f ' .. fn) ~= 0 then
        return true
    elseif fn ~= OTHER and (tonumber(redis.pcall('HGET', key, 'functions')
            or 0) or 0) >= FUNCTIONS_MAX then
        return false
    end
    redis.pcall('HSET', key, 'f ' .. fn, '1')
    redis.pcall('HINCRBY', key, 'functions', fn ~= OTHER and '1' or '0')
    -- Also, a field of more than 64 bytes makes it a table for good: to be
    -- searched from end to end would cost more than all else here.
    redis.pcall('HSETNX', key, 'bounds', table.concat(BOUNDS, ' '))
    return true
end

-- Adds to KIND FUNCTION; returns the function as which it was counted.
local function count_for(key, kind, fn, n)
    local is_new = count(key, kind .. ' ' .. fn, n)
    if is_new == 1 and not is_told_apart(key, fn) then
        redis.pcall('HDEL', key, kind .. ' ' .. fn)
        return count_for(key, kind, OTHER, n)
    end
    return is_new and fn
end

-- Called by flush, last.
count_runs = function(w, now)
    local key, total = w.base .. ':measures', {}
    local function add(kind, fn, n)
        total[kind] = (total[kind] or 0) + n
        return fn and count_for(key, kind, fn, n)
    end
    for _, t in ipairs(w.tallies or {}) do
        close_row(t, now)
        local fn = t.fn
        for i = t.first, t.last do
            if t[i] then
                fn = add(t.kind .. num(i), fn, t[i])
            end
        end
        if t.sum > 0 then
            add(t.kind == 'q' and 'qs' or 'rs', fn, t.sum)
        end
    end
    for fn, n in pairs(w.lost or {}) do
        add('L', fn, n)
    end
    for kind, n in pairs(total) do
        count(key, kind, n)
    end
end

-- ---- How a group is doing, for `sample` and `history` -------------------------

-- Parts of broadcasts are kept as tasks, and are none that somebody queued.
local function cast_parts(base)
    local n, casting = 0, redis.call('ZRANGE', base .. ':casting', '0', '19')
    for _, text in ipairs(fetch(base .. ':state', casting)) do
        n = n + (text and tonumber(decode(text).open or 0) or 0)
    end
    return n
end

-- Counts of a group now: what waits at any level, what is due of it, since when
-- the oldest is, when the first is, what workers hold, how many of them live.
local function count_tasks(base, now)
    local c = {queued = 0, parked = 0, due = 0, assigned = 0, running = 0,
               live = 0}
    local keys, t = {base .. ':queued', base .. ':suspects'}, num(now)
    for _, l in ipairs(redis.call('ZRANGE', base .. ':levels', 0, 999)) do
        if find(l, ':', 1, true) then
            c.parked = c.parked + redis.call('ZCARD', base .. ':queued:' .. l)
        else
            keys[#keys + 1] = base .. ':queued:' .. l
        end
    end
    for _, key in ipairs(keys) do
        c.queued = c.queued + redis.call('ZCARD', key)
        c.due = c.due + redis.call('ZCOUNT', key, '-inf', t)
        local score = tonumber(first_score(key) or nil)
        if score and (not c.first or score < c.first) then
            c.first = score
        end
    end
    if c.first and c.first <= now then
        c.oldest = c.first
    end
    local workers = redis.call('ZRANGE', base .. ':workers', 0, 999,
                               'WITHSCORES')
    for i = 1, #workers, 2 do
        c.assigned = c.assigned
            + redis.call('SCARD', base .. ':assigned:' .. workers[i])
        c.running = c.running
            + redis.call('SCARD', base .. ':running:' .. workers[i])
        if tonumber(workers[i + 1]) >= now then
            c.live = c.live + 1
        end
    end
    return c
end

-- One line: queued, due, running, since when the oldest has been due (ms, 0),
-- then counted since the start: queued, COMPLETED, FAILED, TIMEOUT, STOPPED,
-- EXPIRED, qs, rs, and qI=n, rI=n of buckets that are not empty. What was queued
-- is what there is and what has ended: no call has to count it.
local function sample_of(base, now)
    local c = count_tasks(base, now)
    local ended = redis.call('HMGET', base .. ':ended', 'COMPLETED', 'FAILED',
                             'TIMEOUT', 'STOPPED', 'EXPIRED')
    local total = redis.call('HLEN', base .. ':task') - cast_parts(base)
        - redis.call('ZCARD', base .. ':finished')
        - redis.call('ZCARD', base .. ':ids')
    local line = num(c.queued) .. ' ' .. num(c.due) .. ' ' .. num(c.running)
        .. ' ' .. num(c.oldest or 0)
    for i = 1, 5 do
        total = total + tonumber(ended[i] or 0)
    end
    line = line .. ' ' .. num(math.max(total, 0))
    for i = 1, 5 do
        line = line .. ' ' .. (ended[i] or '0')
    end
    local fields, kinds = {'qs', 'rs'}, {'q', 'C', 'F', 'T', 'S'}
    for _, kind in ipairs(kinds) do
        for i = 1, #BOUNDS + 1 do
            fields[#fields + 1] = kind .. num(i)
        end
    end
    local values = fetch(base .. ':measures', fields)
    line = line .. ' ' .. (values[1] or '0') .. ' ' .. (values[2] or '0')
    local n, runs = #BOUNDS + 1, {}
    for i = 1, n do
        if values[2 + i] then
            line = line .. ' q' .. num(i) .. '=' .. values[2 + i]
        end
        for kind = 1, 4 do
            runs[i] = (runs[i] or 0) + (values[2 + kind * n + i] or 0)
        end
    end
    for i = 1, n do
        if runs[i] > 0 then
            line = line .. ' r' .. num(i) .. '=' .. num(runs[i])
        end
    end
    return line
end

-- Rings of samples, each the line behind its time: steps (ms), how many, and for
-- how long they are of use.
local RINGS = {{name = 'hour', step = 10000, n = 360},
               {name = 'day', step = 300000, n = 288},
               {name = 'month', step = HOUR, n = 720}}
