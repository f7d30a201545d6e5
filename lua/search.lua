-- search: tasks of a group that fit, a page at a time, in the order of list. It
-- stands where it is by what it has seen last (a score and an id), not by how
-- many: what is taken away or comes behind it moves nothing. A task that moves
-- ahead of it comes again; one that moves behind it is missed.
-- What is looked for in a payload is looked for in its bytes, and only where
-- these say for certain that it is not there the task is left out: no escaped
-- character (\) and no such text. The caller decides on what it has decoded.
-- FLAGS: no-writes
-- ARGV[3] look at so many  ARGV[4] cursor ('' at first)
-- ARGV[5] states, with blanks ('': all)  ARGV[6] function or ''
-- ARGV[7] how the id begins, or ''  ARGV[8] ARGV[9] from, until: ms or ''; of
-- what waits when it is due, else when it last began or ended
-- ARGV[10] 1: only those with a cronline or repeats other than 1
-- ARGV[11] in the error  ARGV[12] in anything: lower case, or ''
-- ARGV[13...] each of which the task has to have: lower case
-- Returns now_us, the next cursor ('' at the end), how many were looked at, then
-- six a task: id, state record, task, due ('0': see the record), outcome or '',
-- the cursor behind it
local PROBES = 200        -- sorted sets a call looks into
local BATCH = 100         -- of a set without scores: always the same, as the
                          -- place within such a batch is part of the cursor
local BYTES_MAX = 262144  -- read: what Redis takes a millisecond for
local SMALL = 65536       -- bytes of a text that are looked through here
local OUTCOME_SHOWN = 2048 -- bytes: the outcome of a failure goes along
local RUNNING, CASTING, ASSIGNED, LEVELS, FINISHED = 1, 2, 3, 4, 10
local base = KEYS[1]
local now, now_us = enter(ARGV)
local left, probes = tonumber(ARGV[3]), PROBES
local bytes, seen_bytes = 0, 0 -- about to be read, and what was looked through
local states, fn, prefix = {}, ARGV[6], ARGV[7]
local from, till = tonumber(ARGV[8] or nil), tonumber(ARGV[9] or nil)
local in_error, in_any = ARGV[11], ARGV[12]
local kind0, sub0, at0, id0 = match(ARGV[4],
                                    '^(%d+),([^,]*),([^,]*),([^,]*)$')
kind0 = tonumber(kind0 or '0')
local reply = {num(now_us), '', '0'}
local has_large = redis.call('EXISTS', base .. ':large') == 1
for s in string.gmatch(ARGV[5], '%u+') do
    states[s] = true
end

local function want(...)
    for _, s in ipairs({...}) do
        if ARGV[5] == '' or states[s] then
            return true
        end
    end
end

-- By bytes: how Redis sorts what has the same score. Lua's < may not.
local function is_before(a, b)
    for i = 1, math.min(#a, #b) do
        local x, y = byte(a, i), byte(b, i)
        if x ~= y then
            return x < y
        end
    end
    return #a < #b
end

-- ---- Where to look, in order ------------------------------------------------

local sources = {}

local function add(kind, sub, key)
    if kind > kind0 or kind == kind0 and sub == sub0 then
        sources[#sources + 1] = {kind = kind, name = sub, key = key}
    end
end

local function add_workers(kind, name, workers)
    for _, worker in ipairs(kind >= kind0 and workers or {}) do
        if kind > kind0 or not (worker < sub0) then
            sources[#sources + 1] = {kind = kind, name = worker,
                                     key = base .. name .. worker}
        end
    end
end

-- Level from highest to lowest, those of one by name from last to first.
local function add_levels()
    local levels = LEVELS >= kind0 and redis.call(
        'ZREVRANGE', base .. ':levels', '0', '999', 'WITHSCORES') or {}
    local at = LEVELS == kind0 and tonumber(match(sub0, '^[^:]+'))
    for i = 1, #levels, 2 do
        local score = tonumber(levels[i + 1])
        if not at or score < at
            or score == at and not is_before(sub0, levels[i]) then
            sources[#sources + 1] = {kind = LEVELS, name = levels[i],
                                     key = base .. ':queued:' .. levels[i]}
        end
    end
end

local workers = {}
if want('RUNNING', 'ASSIGNED') and kind0 <= ASSIGNED then
    workers = redis.call('ZRANGE', base .. ':workers', '0', '999')
    table.sort(workers)
end
if want('RUNNING') then
    add_workers(RUNNING, ':running:', workers)
    add(CASTING, '', base .. ':casting')
end
if want('ASSIGNED') then
    add_workers(ASSIGNED, ':assigned:', workers)
end
if want('QUEUED') then
    add_levels()
    for i, name in ipairs({':suspects', ':queued', ':waiting', ':broadcast',
                           ':held'}) do
        add(LEVELS + i, '', base .. name)
    end
end
if want('COMPLETED', 'FAILED', 'TIMEOUT', 'STOPPED', 'EXPIRED') then
    add(FINISHED, '', base .. ':finished')
end

-- ---- What fits --------------------------------------------------------------

-- May the text (lower case) be in those bytes?
local function may_have(bytes_of, text)
    return #bytes_of > SMALL or find(bytes_of, '\\', 1, true)
        or find(string.lower(bytes_of), text, 1, true)
end

local function may_have_all(task)
    for i = 13, #ARGV do
        if not may_have(task, ARGV[i]) then
            return false
        end
    end
    return true
end

local function fits_time(record, status, due)
    if not from and not till then
        return true
    end
    local t = tonumber(due)
    if record then
        local next_at, start, stop = match(
            record, '^%u+ %d+ %S+ %S+ (%d+) (%d+) (%d+)')
        t = tonumber((status == 'QUEUED' or status == 'ASSIGNED') and next_at
                     or status == 'RUNNING' and start or stop or 0)
    end
    return (not from or t >= from) and (not till or t <= till)
end

local function is_scheduled(record)
    return record and (find(record, ' cron=1', 1, true)
        or (match(record, ' repeats=(%d+)') or '1') ~= '1')
end

-- What came of the task, or of its last try; '' for nothing.
local function outcome(id, record, status)
    local deep = in_error ~= '' or in_any ~= ''
    if not record or not deep and status ~= 'FAILED'
        and status ~= 'TIMEOUT' then
        return ''
    elseif not ENDED[status] then
        local line = find(record, ' failed=', 1, true)
            and redis.call('LINDEX', base .. ':run:' .. id, '0')
        return line and match(line, '^%u+ %d+ %S+ %d+ %d+ (.*)$') or ''
    elseif not deep and redis.call('HSTRLEN', base .. ':run', id)
        > OUTCOME_SHOWN then
        return ''
    end
    return redis.call('HGET', base .. ':run', id) or ''
end

local function fits_texts(id, task, run)
    if in_error ~= '' and (run == '' or not may_have(run, in_error)) then
        return false
    end
    return in_any == '' or may_have(task, in_any)
        or run ~= '' and may_have(run, in_any)
        or find(string.lower(id), in_any, 1, true)
end

local function look_at(s, id, record, task, due, at)
    local status = record and match(record, '^%u+') or 'QUEUED'
    seen_bytes = seen_bytes + #(task or '')
    if not task or task == '-' or ARGV[5] ~= '' and not states[status]
        or fn ~= '' and function_of(task) ~= fn
        or not fits_time(record, status, due)
        or ARGV[10] == '1' and not is_scheduled(record)
        or not may_have_all(task) then
        return
    end
    local run = outcome(id, record, status)
    seen_bytes = seen_bytes + #run
    if fits_texts(id, task, run) then
        local n = #reply
        reply[n + 1], reply[n + 2], reply[n + 3] = id, record or '', task
        reply[n + 4] = s.kind > ASSIGNED and due or '0'
        reply[n + 5] = run
        reply[n + 6] = s.head .. at .. ',' .. id
    end
end

-- How many of them are read at once: as many as their bytes allow.
local function room(ids, first)
    local n = #ids
    for i = first, has_large and n or 0 do
        bytes = bytes + redis.call('HSTRLEN', base .. ':task', ids[i])
        if bytes > BYTES_MAX then
            return i
        end
    end
    return n
end

-- Looks at them one by one until there were too many bytes; returns how many.
local function look(s, ids, dues, at)
    local some, where = {}, {}
    for i, id in ipairs(ids) do
        if prefix == '' or sub(id, 1, #prefix) == prefix then
            some[#some + 1], where[#where + 1] = id, i
        end
    end
    local n = room(some, 1)
    local asked = {}
    for i = 1, n do
        asked[i] = some[i]
    end
    local records, tasks = fetch(base .. ':state', asked),
                           fetch(base .. ':task', asked)
    for i = 1, n do
        local k = where[i]
        look_at(s, asked[i], records[i], tasks[i], dues[k], at or dues[k])
        if seen_bytes > BYTES_MAX then
            return k
        end
    end
    return n < #some and where[n] or #ids
end

-- ---- Going on from where it was -----------------------------------------------

-- How many of a sorted set come before that score and id; and whether the id is
-- there with that score.
local function rank_of(key, score, id)
    local there = redis.call('ZSCORE', key, id)
    if there and tonumber(there) == tonumber(score) then
        return redis.call('ZRANK', key, id), true
    end
    local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
    local high = redis.call('ZCOUNT', key, '-inf', score)
    while low < high do
        local middle = math.floor((low + high) / 2)
        if is_before(redis.call('ZRANGE', key, num(middle), num(middle))[1],
                     id) then
            low = middle + 1
        else
            high = middle
        end
    end
    return low, false
end

-- Where the walk through a sorted set goes on.
local function offset_of(s, at, id)
    if s.kind == FINISHED then
        return at ~= '' and redis.call('ZCARD', s.key) - rank_of(s.key, at, id)
            or 0
    elseif at ~= '' then
        local rank, is_there = rank_of(s.key, at, id)
        return rank + (is_there and 1 or 0)
    end
    return from and s.kind >= LEVELS
        and redis.call('ZCOUNT', s.key, '-inf', '(' .. num(from)) or 0
end

-- Returns the cursor to go on from, or nil: that was all of it.
local function walk_sorted(s, at, id)
    local offset = offset_of(s, at, id)
    local found = redis.call(s.kind == FINISHED and 'ZREVRANGE' or 'ZRANGE',
                             s.key, num(offset), num(offset + left - 1),
                             'WITHSCORES')
    local ids, dues, is_all = {}, {}, #found < 2 * left
    for i = 1, #found, 2 do
        local score = tonumber(found[i + 1])
        -- By when it is due; what has ended is kept until after it has ended.
        if till and s.kind >= LEVELS and s.kind < FINISHED and score > till
            or from and s.kind == FINISHED and score < from then
            is_all = true
            break
        end
        ids[#ids + 1], dues[#dues + 1] = found[i], found[i + 1]
    end
    local n = look(s, ids, dues)
    left = left - n
    if n < #ids or not is_all then
        return s.head .. dues[n] .. ',' .. ids[n]
    end
end

local function walk_set(s, at, id)
    at = at ~= '' and at or '0'
    local found, next_at = some_of(s.key, at, BATCH)
    local ids = {}
    table.sort(found)
    for _, one in ipairs(found) do
        if id == '' or id < one then
            ids[#ids + 1] = one
        end
    end
    local n = look(s, ids, {}, at)
    left = left - n
    if n < #ids then
        return s.head .. at .. ',' .. ids[n]
    elseif next_at ~= '0' then
        return s.head .. next_at .. ','
    end
end

for i, s in ipairs(sources) do
    if left <= 0 or probes == 0 or bytes + seen_bytes > BYTES_MAX then
        reply[2] = num(s.kind) .. ',' .. s.name .. ',,'
        break
    end
    local at, id = '', ''
    if s.kind == kind0 and s.name == sub0 then
        at, id = at0, id0
    end
    s.head = num(s.kind) .. ',' .. s.name .. ','
    local walk = (s.kind == RUNNING or s.kind == ASSIGNED) and walk_set
        or walk_sorted
    probes = probes - 1
    local more = walk(s, at, id)
    if more then
        reply[2] = more
        break
    end
end
reply[3] = num(tonumber(ARGV[3]) - left)
return reply
