-- Shared by every script: key names, the clock, state records, writes. It goes
-- on in prelude_events.lua, prelude_series.lua, prelude_families.lua and
-- prelude_measures.lua; prelude_fsck.lua is for fsck and repair only.
--
-- KEYS[1] is the base of a group, {stint:GROUP}, or of the fleet, {stint};
-- all other keys are derived here and nowhere else. ARGV[1] is the protocol,
-- ARGV[2] the time in ms (0: Redis's own clock; tests pass theirs).
--
-- A script checks everything first, collects its writes in a writer and
-- flushes last: Lua has no roll-back. Payloads are opaque bytes. Numbers stay
-- below 2^53 and leave through num().
--
-- A state record is one line:
--   STATUS fence token worker next start stop[ key=value...]
-- next: when this run is (or was) due; start, stop: of the last run; 0: not
-- yet; "-": none. Keys (absent: the default): begin start_time, expire
-- stop_time, repeats, period ms, drift, retry, delay ms, backoff, cap ms,
-- level (priority, +0.5 when immediate), disabled, ttl ms, discard, crashes
-- (losses until FAILED), cron (the caller names the next run), anyway (runs
-- however its parents ended), cast (broadcast); counters: run, failed, lost;
-- parked: due, but of a function nobody could run; parents: how many it named,
-- wait: how many of them have not ended; kids: others wait for it; stopping:
-- its worker is to stop it; live: :run holds output of the run going on;
-- of a broadcast: parts, open, ran, bad, match (the next of a cronline, told by
-- a part that ran); of a part of one: of; again: the mark of the call that
-- queued it again.
-- A task without a record is QUEUED as it was queued, all rules default, and
-- stands in KEYS[1]:queued: most tasks never need one before they are taken.

local PROTOCOL = '1'
local FORMAT = '1'   -- of the data: what is kept below {stint}:format
local LIBRARY = '1 @LIBRARY_SHA1@' -- SCRIPT_LIBRARY of script.h, and which
local find, match, sub, byte, format -- of string, set by enter()
local HOUR, DAY = 3600000, 86400000
local RUNS_KEPT = 20        -- earlier runs kept per task
local LOST_MAX = 3          -- runs lost with their worker, then FAILED; the
                            -- default of crashes
local CAST_MAX = 1000       -- workers a broadcast reaches
local HELD_MAX = 5000       -- tasks a worker may hold
local STEP = 250            -- side work a script does in passing
local PAYLOAD_MAX = 1048576 -- bytes of a task

local FIELDS = {'begin', 'expire', 'repeats', 'period', 'drift', 'retry',
                'delay', 'backoff', 'cap', 'level', 'disabled', 'ttl',
                'discard', 'crashes', 'cron', 'anyway', 'cast', 'run',
                'failed', 'lost', 'parked', 'parents', 'wait', 'kids',
                'stopping', 'live', 'parts', 'open', 'ran', 'bad', 'match',
                'of', 'again'}
local KNOWN = {}
for i = 1, #FIELDS do
    KNOWN[FIELDS[i]] = 1
end
-- Those that queue_task may be asked for.
local RULES_ASKED = {repeats = 1, period = 1, drift = 1, retry = 1, delay = 1,
                     backoff = 1, cap = 1, level = 1, disabled = 1, ttl = 1,
                     discard = 1, crashes = 1, cron = 1, anyway = 1, cast = 1,
                     begin = 1}
-- In which order write() writes: what leaves a set goes first, as a task may
-- leave one and come back to it; records go last, so that whoever makes the call
-- again after an error in its middle finds that nothing has happened yet.
local PASS = {HDEL = 1, ZREM = 2, SREM = 2, UNLINK = 0}
local RECORDS, PASSES = 4, 5
-- What a key has to be for a command of the writer's.
local TYPE_FOR = {ZADD = 'zset', ZREM = 'zset', SADD = 'set', SREM = 'set',
                  HSET = 'hash', HDEL = 'hash'}
local ENDED = {COMPLETED = 1, FAILED = 1, TIMEOUT = 1, STOPPED = 1,
               EXPIRED = 1}

local function num(n)
    return format(n % 1 == 0 and '%d' or '%.0f', n)
end

-- Refuse what is not of our protocol; return the time in ms and in us.
local function enter(argv)
    -- While a library is loaded there are no globals, and later each look-up
    -- of one costs.
    find, match, sub = string.find, string.match, string.sub
    byte, format = string.byte, string.format
    if argv[1] ~= PROTOCOL then
        error({err = 'PROTOCOL this library speaks protocol ' .. PROTOCOL})
    end
    if argv[2] ~= '0' then
        local ms = tonumber(argv[2])
        return ms, ms * 1000
    end
    local t = redis.call('TIME')
    local us = t[1] * 1000000 + t[2]
    return math.floor(us / 1000), us
end

local function decode(text)
    local status, fence, token, worker, due, start, stop, rest = match(
        text, '^(%u+) (%d+) (%S+) (%S+) (%d+) (%d+) (%d+)(.*)$')
    if not status then
        return {status = 'BROKEN', fence = '0', token = '-', worker = '-',
                next = 0, start = 0, stop = 0}
    end
    local r = {status = status, fence = fence, token = token, worker = worker,
               next = tonumber(due), start = tonumber(start),
               stop = tonumber(stop)}
    for k, v in string.gmatch(rest, ' (%l+)=(%S+)') do
        if KNOWN[k] then
            r[k] = v
        else -- of a newer minor version: it stays
            r.more = (r.more or '') .. ' ' .. k .. '=' .. v
        end
    end
    return r
end

-- A newer major version of Stint has changed the data: only it knows how to
-- read them. Returns what is kept, if anything.
local function check_format(base)
    local format_there = redis.call('GET', base .. ':format')
    if format_there and format_there ~= FORMAT then
        error({err = 'PROTOCOL the data are of format '
                     .. string.gsub(format_there, '[^%w]', '?')})
    end
    return format_there
end

local function encode(r)
    local s = r.status .. ' ' .. r.fence .. ' ' .. r.token .. ' ' .. r.worker
        .. ' ' .. num(r.next) .. ' ' .. num(r.start) .. ' ' .. num(r.stop)
    for i = 1, #FIELDS do
        local v = r[FIELDS[i]]
        if v then
            s = s .. ' ' .. FIELDS[i] .. '=' .. v
        end
    end
    return r.more and s .. r.more or s
end

-- The record of a task nobody has touched yet.
local function fresh(due)
    return {status = 'QUEUED', fence = '0', token = '-', worker = '-',
            next = tonumber(due), start = 0, stop = 0}
end

-- What was queued is "FUNCTION {the rest as JSON}", or "-" once pruned.
local function function_of(task)
    return sub(task, 1, (find(task, ' ', 1, true) or 1) - 1)
end

-- The sorted set in which a QUEUED task waits, and its entry in :levels.
local function shelf(base, r, task)
    if r.of then
        return base .. ':cast:' .. r.worker
    elseif r.disabled then
        return base .. ':held'
    elseif r.wait then
        return base .. ':waiting'
    elseif r.cast then
        return base .. ':broadcast'
    end
    local level = r.level or '0'
    if r.parked then
        level = level .. ':' .. function_of(task)
    elseif r.lost then
        return base .. ':suspects'
    elseif level == '0' then
        return base .. ':queued'
    end
    return base .. ':queued:' .. level, level
end

-- The set that must hold the task, whatever its state: a sorted one, or behind
-- an S one without scores: what a worker holds.
local function place(base, r, task)
    if r.status == 'QUEUED' then
        return (shelf(base, r, task)), 'Z'
    elseif r.status == 'ASSIGNED' then
        return base .. ':assigned:' .. r.worker, 'S'
    elseif r.status == 'RUNNING' and not r.cast then
        return base .. ':running:' .. r.worker, 'S'
    elseif r.status == 'RUNNING' then
        return base .. ':casting', 'Z'
    elseif task == '-' then
        return base .. ':ids', 'Z' -- pruned: only the id is kept
    end
    return base .. ':finished', 'Z'
end

-- The score that the task has in its place: of those with scores.
local function home_score(r, task)
    if r.status == 'QUEUED' then
        return r.next
    elseif r.status == 'RUNNING' then
        return tonumber(r.fence) -- a broadcast
    end
    return r.stop + (task == '-' and HOUR or tonumber(r.ttl or DAY))
end

-- A writer collects the arguments of variadic commands, and events: verb is what
-- they are told under.
local function writer(base, verb)
    return {base = base, verb = verb or 'change', heads = {}, order = {}, by = {}, counts = {},
            runs = {}, wakes = {}, ended = {}, gone = {}, parts = {},
            demands = {}}
end

-- The list of further arguments of `cmd key`.
local function list(w, cmd, key)
    local name = cmd .. key
    local l = w.by[name]
    if not l then
        l = {cmd = cmd, key = key, pass = PASS[cmd] or 3}
        if (cmd == 'HSET' or cmd == 'HDEL') and (key == w.base .. ':state'
                or key == w.base .. ':task') then
            l.pass = RECORDS
        end
        w.by[name] = l
        w.order[#w.order + 1] = l
    end
    return l
end

local function put(w, cmd, key, a, b)
    local l = list(w, cmd, key)
    l[#l + 1] = a
    if b then
        l[#l + 1] = b
    end
end

local function wake(w, at, fn)
    local key = w.base .. ':wake'
    if fn then
        key = key .. ':' .. fn
    end
    if not w.wakes[key] or at < w.wakes[key] then
        w.wakes[key] = at
    end
end

local settle -- what follows for others when tasks end: prelude_families.lua
local count_runs -- how long it took: prelude_measures.lua
local events_kept, add_event, told, tell, tell_as, write_events -- of
    -- prelude_events.lua

local function write(w)
    for _, head in ipairs(w.heads) do -- while it still is what was read
        redis.call('ZREMRANGEBYRANK', head[1], '0', num(head[2] - 1))
    end
    w.heads = {}
    local unlinked = {}
    for _, l in ipairs(w.order) do
        if l.cmd == 'UNLINK' then -- has no arguments but the key
            unlinked[#unlinked + 1] = l.key
        end
    end
    for i = 1, #unlinked, 1000 do
        redis.call('UNLINK', unpack(unlinked, i,
                                    math.min(i + 999, #unlinked)))
    end
    for pass = 1, PASSES do
        for _, l in ipairs(w.order) do
            local n = l.pass == pass and #l or 0
            for i = 1, n, 1000 do
                redis.call(l.cmd, l.key, unpack(l, i, math.min(i + 999, n)))
            end
        end
    end
    w.order, w.by = {}, {}
end

-- Lua has no roll-back: a key of another type than ours, which somebody put
-- there, is found before the first write.
local function demand(key, kind)
    local is = redis.call('TYPE', key).ok
    if is ~= kind and is ~= 'none' then
        error({err = 'WRONGTYPE ' .. key .. ' is a ' .. is .. ', not a '
               .. kind .. ': run stint fsck --repair'})
    end
end

local function demand_zsets(a, b)
    demand(a, 'zset')
    demand(b, 'zset')
    return true
end

local function demand_all(w)
    local seen = {}
    for _, l in ipairs(w.order) do
        local kind = #l > 0 and not seen[l.key] and TYPE_FOR[l.cmd]
        if kind then
            seen[l.key] = true
            demand(l.key, kind)
        end
    end
    for _, head in ipairs(w.heads) do
        demand(head[1], 'zset')
    end
    for _, run in ipairs(w.runs) do
        demand(run[1], 'list')
    end
    if next(w.counts) then
        demand(w.base .. ':ended', 'hash')
    end
    for key in pairs(w.wakes) do
        demand(key, 'zset')
    end
    if w.family then
        for _, name in ipairs({':messages', ':endings', ':waiting', ':queued',
                               ':finished', ':levels', ':wake', ':held',
                               ':suspects', ':broadcast', ':casting',
                               ':expiry'}) do
            demand(w.base .. name, 'zset')
        end
        for _, ended in ipairs(w.ended) do
            demand(w.base .. ':children:' .. ended[1], 'zset')
        end
        demand(w.base .. ':ended', 'hash')
        demand(w.base .. ':run', 'hash')
    end
    for key, kind in pairs(w.demands) do
        demand(key, kind)
    end
end

local function flush(w, now)
    demand_all(w)
    write(w)
    if w.family then -- it reads what has just been written
        settle(w, now)
        write(w)
    end
    for _, run in ipairs(w.runs) do
        if redis.call('LPUSH', run[1], run[2]) > run[3] then
            redis.call('LTRIM', run[1], '0', num(run[3] - 1))
        end
    end
    for status, n in pairs(w.counts) do
        redis.call('HINCRBY', w.base .. ':ended', status, num(n))
    end
    for key, at in pairs(w.wakes) do
        redis.call('ZADD', key, 'LT', num(at), 'w')
    end
    if w.tallies or w.lost then
        count_runs(w, now)
    end
    if w.told then
        write_events(w)
    end
end

local function save(w, id, r)
    put(w, 'HSET', w.base .. ':state', id, encode(r))
end

-- Take a task out of where its record says it is.
local function leave(w, id, r, task)
    local key, kind = place(w.base, r, task)
    put(w, kind .. 'REM', key, id)
    if r.expire and (r.status == 'QUEUED' or r.status == 'ASSIGNED') then
        put(w, 'ZREM', w.base .. ':expiry', id)
    end
end

-- Behind :wake: where the name of a function may stand. A task that was lost
-- with its worker may have been the cause, so it is handed out apart: one to a
-- worker at a time, and the marker for it wakes those that have none.
local SUSPECTS = '!lost'

-- Output of a run that did not come to its report.
local function forget_output(w, id, r)
    if r.live then
        put(w, 'HDEL', w.base .. ':run', id)
        r.live = nil
    end
end

-- Into QUEUED, due at `due`.
local function requeue(w, id, r, due, task)
    forget_output(w, id, r)
    if r.stopping then
        put(w, 'ZREM', w.base .. ':stops:' .. r.worker, id)
        r.stopping = nil
    end
    local is_back = r.of or r.status == 'ASSIGNED' or r.status == 'RUNNING'
    local l = w.told ~= false and told(w, 'QUEUED', is_back and r.worker or '-',
                                       r.fence, task and function_of(task))
    if l then
        l[#l + 1] = id
    end
    r.status, r.next = 'QUEUED', due
    if not r.of then
        r.worker = '-'
    end
    local key, level = shelf(w.base, r, task)
    put(w, 'ZADD', key, num(due), id)
    if level then
        put(w, 'ZADD', w.base .. ':levels', r.level or '0', level)
    end
    if r.expire then
        put(w, 'ZADD', w.base .. ':expiry', r.expire, id)
    end
    save(w, id, r)
    if not r.disabled and not r.wait and not r.of then
        wake(w, due, r.parked and function_of(task) or r.lost and SUSPECTS)
    end
end

-- A run that is not the task's last: its line goes to the task's history. That
-- of a part is the broadcast's.
local function history(w, id, r, status, now, payload)
    if not r.discard then
        w.runs[#w.runs + 1] = {w.base .. ':run:' .. (r.of or id),
            status .. ' ' .. r.fence .. ' ' .. r.worker .. ' ' .. num(r.start)
            .. ' ' .. num(now) .. ' ' .. (payload or ''),
            r.of and CAST_MAX or RUNS_KEPT}
    end
end

-- The part of a broadcast has ended: it is a run of the broadcast now. SKIPPED:
-- its worker does not know the function.
local function gather(w, id, r, status, now, payload, cron)
    local part = w.parts[r.of] or {n = 0, ran = 0, bad = 0}
    w.parts[r.of] = part
    part.n = part.n + 1
    part.cron = cron or part.cron
    if status ~= 'SKIPPED' then
        if r.status == 'QUEUED' then -- an earlier try is in the history
            r.fence, r.start = '0', 0
        end
        part.ran = part.ran + 1
        history(w, id, r, status, now, payload)
    end
    if status ~= 'COMPLETED' and status ~= 'SKIPPED' then
        part.bad = part.bad + 1
    end
    put(w, 'HDEL', w.base .. ':task', id)
    put(w, 'HDEL', w.base .. ':state', id)
    put(w, 'HDEL', w.base .. ':run', id)
    tell(w, id, {status = status == 'SKIPPED' and 'GONE' or status,
                 worker = r.worker, fence = r.fence})
    w.gone[id] = true
    w.family = true
end

-- Into an end state. cron: the next match, told by whoever reports.
local function finish(w, id, r, status, now, payload, cron)
    if r.stopping then
        put(w, 'ZREM', w.base .. ':stops:' .. r.worker, id)
        r.stopping = nil
    end
    if r.of then
        gather(w, id, r, status, now, payload, cron)
        return
    end
    if r.wait then
        put(w, 'UNLINK', w.base .. ':parents:' .. id)
    end
    local keep = payload and payload ~= '' and not r.discard
    if not keep then
        forget_output(w, id, r)
    end
    r.status, r.stop = status, now
    r.parked, r.wait, r.live, r.parts, r.open = nil, nil, nil, nil, nil
    save(w, id, r)
    tell(w, id, r)
    put(w, 'ZADD', w.base .. ':finished', num(now + (r.ttl or DAY)), id)
    w.counts[status] = (w.counts[status] or 0) + 1
    if keep then
        put(w, 'HSET', w.base .. ':run', id, payload)
    end
    w.gone[id] = true
    if r.kids then
        w.ended[#w.ended + 1] = {id, status}
        w.family = true
    end
end

-- What stands in :task for what was queued, when that is gone: no function is
-- called so, and whoever comes to run it says FAILED.
local LOST = '? {}'

-- Any bytes as a JSON text: each byte that is not plain ASCII as one character.
local function quoted(bytes)
    return '"' .. string.gsub(bytes, '[%c"\\\128-\255]', function(c)
        return format('\\u%04x', byte(c))
    end) .. '"'
end

-- Into :quarantine, under `name`; what is there already stays.
local function set_aside(w, name, now, why, was)
    local key = w.base .. ':quarantine'
    local field = sub(name, 1, 500)
    if redis.call('HSTRLEN', key, field) > 0 then
        field = field .. ' ' .. num(now)
    end
    put(w, 'HSET', key, field, '{"at":' .. num(now) .. ',"why":' .. quoted(why)
        .. ',"was":' .. quoted(sub(was or '', 1, PAYLOAD_MAX)) .. '}')
end

-- The record or the payload of a task is lost. r: its record, nil or BROKEN:
-- that is; task: nil: that is. What was left of it is set aside. What a worker
-- holds goes on, unless that is lost, too; what has ended stays so; all else is
-- FAILED, for people to see.
local function lose(w, id, r, now, now_us, task, why, is_worker_lost)
    local base = w.base
    local is_read = r and r.status ~= 'BROKEN'
    local of = not is_read and match(id, '^(.+)@%d+$')
    local cast = of and redis.call('HGET', base .. ':state', of)
    if cast and decode(cast).cast then
        -- A part of a broadcast: which counts those that are left in a repair.
        for _, name in ipairs({':task', ':state', ':run'}) do
            put(w, 'HDEL', base .. name, id)
        end
        tell(w, id, {status = 'GONE', worker = '-', fence = '0'})
        if not task and not r then
            return
        end
    end
    set_aside(w, id, now, why, redis.call('HGET', base .. ':state', id) or '')
    if cast and decode(cast).cast then
        return
    end
    if not task then
        put(w, 'HSET', base .. ':task', id, LOST)
    end
    if is_read and r.status ~= 'QUEUED'
        and not (is_worker_lost and not ENDED[r.status]) then
        return
    end
    if is_read then
        leave(w, id, r, task or LOST)
        r.token = '-'
    else -- no ticket that anybody has fits the new one
        r = fresh(0)
        r.fence = num(now_us)
        r.kids = redis.call('EXISTS', base .. ':children:' .. id) == 1 and '1'
    end
    if task == '-' then
        r.status, r.stop = 'FAILED', now
        save(w, id, r)
        tell(w, id, r)
        put(w, 'ZADD', base .. ':ids', num(now + HOUR), id)
        return
    end
    finish(w, id, r, r.of and 'LOST' or 'FAILED', now,
           '{"error":"record lost: ' .. match(why, '^[%w ]*') .. '"}')
end

-- An id in what a worker held that does not go back to the queue: it is not the
-- worker's, or its record or payload is lost.
local function give_up(w, key, kind, id, r, task, now, now_us)
    put(w, kind .. 'REM', key, id)
    local is_read = r and r.status ~= 'BROKEN'
    if is_read and not task and place(w.base, r, LOST) == key then
        lose(w, id, r, now, now_us, nil, 'what was queued is gone', true)
    elseif r and not is_read and task ~= '-' then
        lose(w, id, r, now, now_us, task or nil, 'its state record cannot be '
             .. 'read')
    elseif not r and task ~= '-'
        and not redis.call('ZSCORE', w.base .. ':queued', id) then
        lose(w, id, nil, now, now_us, task or nil, 'its state record is gone')
    end
end

-- Back to the queue, unless it was to be stopped.
local function give_back(w, id, r, now, task)
    r.token = '-'
    if r.stopping then
        finish(w, id, r, 'STOPPED', now, '{"error":"stopped"}')
    else
        requeue(w, id, r, math.min(r.next, now), task) -- it was due
    end
end

-- HMGET of a hash for any number of ids.
local function fetch(key, ids)
    if #ids <= 1000 and #ids > 0 then
        return redis.call('HMGET', key, unpack(ids))
    end
    local out = {}
    for i = 1, #ids, 1000 do
        local part = redis.call('HMGET', key,
                                unpack(ids, i, math.min(i + 999, #ids)))
        for j = 1, #part do
            out[i + j - 1] = part[j]
        end
    end
    return out
end

-- Members of a set without scores, n or a few more, each once; and the cursor
-- to go on from ('0': that was all).
local function some_of(key, cursor, n)
    local out, seen = {}, {}
    for _ = 1, 100 do
        local found = redis.call('SSCAN', key, cursor, 'COUNT', num(n))
        for _, id in ipairs(found[2]) do
            if not seen[id] then
                seen[id] = true
                out[#out + 1] = id
            end
        end
        cursor = found[1]
        if cursor == '0' or #out >= n then
            break
        end
    end
    return out, cursor
end

-- QUEUED or ASSIGNED past their stop_time -> EXPIRED. Returns a set of ids.
local function expire_due(w, now, limit)
    local ids = redis.call('ZRANGEBYSCORE', w.base .. ':expiry', '-inf',
                           '(' .. num(now), 'LIMIT', '0', num(limit))
    local gone = {}
    if #ids == 0 then
        return gone, 0
    end
    local verb = tell_as(w, 'expire')
    local states = fetch(w.base .. ':state', ids)
    local tasks = fetch(w.base .. ':task', ids)
    for i, id in ipairs(ids) do
        local r = states[i] and decode(states[i])
        if r and tasks[i]
            and (r.status == 'QUEUED' or r.status == 'ASSIGNED') then
            leave(w, id, r, tasks[i])
            r.token, r.worker = '-', '-'
            finish(w, id, r, 'EXPIRED', now)
            gone[id] = true
        else
            put(w, 'ZREM', w.base .. ':expiry', id)
        end
    end
    tell_as(w, verb)
    return gone, #ids
end

-- Ended tasks past their retention -> gone. The id stays at least an hour, in
-- :ids, with "-" for a task. One whose children are not all told yet stays. The
-- last n_ids of them (absent: none) are of :ids: nothing is left to be told.
local function prune_ids(w, ids, now, n_ids)
    local base = w.base
    local verb = tell_as(w, 'prune')
    local l = #ids > (n_ids or 0) and told(w, 'GONE', '-', '0')
    local states = fetch(base .. ':state', ids)
    -- Last of all: prune looks for them here, also after an error.
    list(w, 'ZREM', base .. ':finished').pass = PASSES
    for i, id in ipairs(ids) do
        local r = states[i] and decode(states[i])
        local telling = r and r.kids
            and redis.call('ZSCORE', base .. ':endings', id)
        if not telling then
            put(w, 'ZREM', base .. ':finished', id)
        end
        if not telling and (not r or ENDED[r.status]) then
            if r and now < r.stop + HOUR then
                put(w, 'HSET', base .. ':task', id, '-')
                put(w, 'ZADD', base .. ':ids', num(r.stop + HOUR), id)
            else
                put(w, 'ZREM', base .. ':ids', id)
                put(w, 'HDEL', base .. ':task', id)
                put(w, 'HDEL', base .. ':state', id)
            end
            put(w, 'HDEL', base .. ':run', id)
            put(w, 'UNLINK', base .. ':run:' .. id)
            if r and r.kids then
                put(w, 'UNLINK', base .. ':children:' .. id)
            end
            if l and i <= #ids - (n_ids or 0) then
                l[#l + 1] = id
            end
        end
    end
    tell_as(w, verb)
end

local function first_score(key)
    return redis.call('ZRANGE', key, '0', '0', 'WITHSCORES')[2]
end

-- Since when the group is paused (ms, as text), or false.
local function paused_since(base)
    return redis.call('HGET', base .. ':settings', 'paused')
end

-- The markers that idle workers are to find: key -> when what waits there is due.
local function markers(base)
    local marks = {}
    local queued = tonumber(first_score(base .. ':queued') or nil)
    for _, l in ipairs(redis.call('ZRANGE', base .. ':levels', 0, 999)) do
        local score = tonumber(first_score(base .. ':queued:' .. l) or nil)
        local fn = match(l, ':(.+)$')
        if score and fn then
            marks[base .. ':wake:' .. fn] = score
        elseif score and (not queued or score < queued) then
            queued = score
        end
    end
    marks[base .. ':wake'] = queued
    marks[base .. ':wake:' .. SUSPECTS] =
        tonumber(first_score(base .. ':suspects') or nil)
    return marks
end

-- A live task by its id: its record and what was queued; or nil.
local function look_up(base, id)
    local task = redis.call('HGET', base .. ':task', id)
    if not task or task == '-' then
        return nil
    end
    local text = redis.call('HGET', base .. ':state', id)
    return text and decode(text) or fresh(
        redis.call('ZSCORE', base .. ':queued', id) or 0), task
end

-- The same, of one that has not ended and is no part of a broadcast; or nil,
-- nil, and the error to answer with.
local function live_task(base, id)
    local r, task = look_up(base, id)
    if not r or r.of then
        return nil, nil, redis.error_reply('NOTFOUND no such task')
    end
    if ENDED[r.status] then
        return nil, nil, redis.error_reply('STATE it is ' .. r.status)
    end
    return r, task
end

-- Tell a worker that something waits for it (its next heartbeat brings it).
local function signal(w, worker)
    put(w, 'ZADD', w.base .. ':signal:' .. worker, '0', 's')
end

local function next_fence(r, now_us)
    return num(math.max(tonumber(r.fence) + 1, now_us))
end
