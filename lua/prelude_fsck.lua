-- Behind the other preludes, for fsck and repair only: what has to agree with
-- what, and how it is put right. One look serves both: `f.w` is the writer of a
-- repair, or nil, and then nothing is written. The state record is the
-- authority, and what it cannot decide is set aside, never dropped.

local LEASE_GRACE = 60000 -- ms: a holder without a lease is given one so long
local KEYS_KNOWN = {
    -- Those of a group that are walked come first, in this order: fsck's
    -- callers count on their numbers.
    {':task', 'hash'}, {':state', 'hash'}, {':run', 'hash'},
    {':expiry', 'zset'}, {':finished', 'zset'}, {':queued', 'zset'},
    {':held', 'zset'}, {':ids', 'zset'}, {':waiting', 'zset'},
    {':broadcast', 'zset'}, {':casting', 'zset'}, {':suspects', 'zset'},
    {':levels', 'zset'}, {':workers', 'zset'}, {':resting', 'zset'},
    {':endings', 'zset'}, {':messages', 'zset'}, {':wake', 'zset'},
    {':ended', 'hash'}, {':large', 'string'}, {':written', 'string'},
    {':parts', 'string'}, {':quarantine', 'hash'}, {':events', 'stream'},
    {':settings', 'hash'}, {':measures', 'hash'}}
local KEYS_WALKED = 12
-- Names that go on: NAME:REST. walk: it holds ids of tasks.
local KEYS_NAMED = {
    queued = {type = 'zset', walk = 1}, assigned = {type = 'set', walk = 1},
    running = {type = 'set', walk = 1}, cast = {type = 'zset', walk = 1},
    stops = {type = 'zset', walk = 1}, run = {type = 'list'},
    parents = {type = 'set'}, children = {type = 'zset'},
    signal = {type = 'zset'}, wake = {type = 'zset'},
    history = {type = 'list'}}
local KEYS_FLEET = {
    {':workers', 'hash'}, {':leases', 'zset'}, {':groups', 'zset'},
    {':parts', 'hash'}, {':command', 'string'}, {':leader', 'string'},
    {':format', 'string'}, {':readers', 'hash'},
    {':quarantine', 'hash'}}
local STATES = {QUEUED = 1, ASSIGNED = 1, RUNNING = 1, COMPLETED = 1,
                FAILED = 1, TIMEOUT = 1, STOPPED = 1, EXPIRED = 1}

local function type_of(f, key)
    local t = f.types[key]
    if not t then
        t = redis.call('TYPE', key).ok
        f.types[key] = t
    end
    return t
end

-- A fault, and what a repair does about it: MENDED, ASIDE (in :quarantine),
-- LEFT (whoever reads it has to act), or PARENTS (the caller goes on with
-- repair_parents).
local function fault(f, text, what)
    f.faults[#f.faults + 1] = text
    if f.w then
        f.faults[#f.faults + 1] = what or 'MENDED'
    end
end

-- A fault of a key: to be moved, as it is, out of our way.
local function check_type(f, key, wanted)
    local is = type_of(f, key)
    if is == 'none' or is == wanted then
        return true
    end
    if not f.told[key] then
        f.told[key] = true
        f.moves[#f.moves + 1] = {key, key .. ': is a ' .. is .. ', where a '
            .. wanted .. ' should be'}
    end
    return false
end

-- Of a key of another type than ours nothing can be asked: as if it were empty.
local function score_in(f, key, id)
    return check_type(f, key, 'zset') and redis.call('ZSCORE', key, id)
end

local function is_member(f, key, id)
    return check_type(f, key, 'set') and redis.call('SISMEMBER', key, id) == 1
end

-- All that a repair is about to write to has to be ours.
local function check_writes(f)
    for _, l in ipairs(f.w.order) do
        if TYPE_FOR[l.cmd] then
            check_type(f, l.key, TYPE_FOR[l.cmd])
        end
    end
    for _, run in ipairs(f.w.runs) do
        check_type(f, run[1], 'list')
    end
    for key in pairs(f.w.wakes) do
        check_type(f, key, 'zset')
    end
end

local function lost_task(f, id, r, task, why)
    local w = f.w
    if not w then
        return
    end
    lose(w, id, r, f.now, f.now_us, task, why)
    put(w, 'ZREM', f.base .. ':queued', id)
    put(w, 'ZREM', f.base .. ':expiry', id)
end

-- Where the task's record says it is, it has to be, with its score.
local function check_home(f, id, r, task)
    local base, w = f.base, f.w
    local home, kind = place(base, r, task)
    local score = home_score(r, task)
    local found = kind == 'S' and is_member(f, home, id)
        or kind == 'Z' and score_in(f, home, id)
    if not found then
        fault(f, id .. ': is ' .. r.status .. ', but not in ' .. home)
    elseif kind == 'Z' and tonumber(found) ~= score then
        fault(f, id .. ': is in ' .. home .. ' at ' .. found .. ' in the place '
              .. 'of ' .. num(score))
        found = false
    end
    if not found and w then
        if kind == 'S' then
            put(w, 'SADD', home, id)
        else
            put(w, 'ZADD', home, num(score), id)
        end
        if r.status == 'QUEUED' and not r.disabled and not r.wait
            and not r.of then
            wake(w, r.next, r.parked and function_of(task)
                 or r.lost and SUSPECTS)
        end
    end
    if r.status ~= 'QUEUED' then
        return
    end
    local _, level = shelf(base, r, task)
    if level and not score_in(f, base .. ':levels', level) then
        fault(f, id .. ': is of level ' .. level .. ', which is not in '
              .. base .. ':levels')
        if w then
            put(w, 'ZADD', base .. ':levels', r.level or '0', level)
        end
    end
end

-- Whom the task waits for: its record counts them, a set names them, and each
-- of them here knows of it. Only what was queued can say who they were.
local function check_parents(f, id, r)
    local base = f.base
    local key = base .. ':parents:' .. id
    local refs = type_of(f, key) == 'set'
        and redis.call('SRANDMEMBER', key, 1000) or {}
    if #refs ~= tonumber(r.wait) then
        fault(f, id .. ': waits for ' .. r.wait .. ' tasks, but not those in '
              .. key, 'PARENTS')
        return
    end
    local own = own_group(base)
    for _, ref in ipairs(refs) do
        local group, parent = string.match(ref, '^([^/]+)/(.+)$')
        if not group or group == own and score_in(f, base .. ':children:'
                .. parent, own .. '/' .. id) ~= '0' then
            fault(f, id .. ': waits for ' .. shown(ref)
                  .. ', which does not know of it', 'PARENTS')
            return
        elseif group ~= own and f.w then
            -- What has got lost between groups is asked for again.
            post(f.w, f.now, 'link', ref, own .. '/' .. id, '-')
        end
    end
end

-- Has every child of an ended task been told?
local function check_children(f, id)
    local key = f.base .. ':children:' .. id
    if type_of(f, key) == 'zset' and redis.call('ZCOUNT', key, '0', '0') > 0
        and not score_in(f, f.base .. ':endings', id) then
        fault(f, id .. ': has ended, and not all that depend on it are told')
        if f.w then
            put(f.w, 'ZADD', f.base .. ':endings', num(f.now), id)
        end
    end
end

-- A running broadcast: do as many of its parts go on as it counts?
local function check_cast(f, id, r)
    local n, ids = 0, {}
    for i = 1, math.min(tonumber(r.parts or 0), CAST_MAX) do
        ids[i] = id .. '@' .. num(i)
    end
    local texts = fetch(f.base .. ':state', ids)
    for i = 1, #ids do
        n = n + (texts[i] and 1 or 0)
    end
    if n == tonumber(r.open or 0) then
        return
    end
    fault(f, id .. ': counts ' .. (r.open or '0') .. ' open parts, and there '
          .. 'are ' .. num(n))
    if f.w then
        r.open = num(n)
        save(f.w, id, r)
        if n == 0 then
            f.w.parts[id] = f.w.parts[id] or {n = 0, ran = 0, bad = 0}
            f.w.family = true
        end
    end
end

local function check_holder(f, id, r)
    local base, w = f.base, f.w
    local workers = base .. ':workers'
    if (r.status == 'ASSIGNED' or r.status == 'RUNNING' or r.of)
        and not r.cast and not score_in(f, workers, r.worker) then
        fault(f, id .. ': is held by ' .. r.worker
              .. ', which has no lease that could end')
        if w then
            put(w, 'ZADD', workers, num(f.now + LEASE_GRACE), r.worker)
        end
    end
    if r.stopping and not r.cast then
        local stops = base .. ':stops:' .. r.worker
        if not score_in(f, stops, id) then
            fault(f, id .. ': is to be stopped, but not in ' .. stops)
            if w then
                put(w, 'ZADD', stops, num(f.now), id)
                signal(w, r.worker)
            end
        end
    end
end

-- An id of :task with a payload or "-".
local function check_task(f, id, text, r, task)
    local base, w = f.base, f.w
    if f.parts > 1 and f.part_of(id) ~= f.part then
        fault(f, id .. ': is in part ' .. num(f.part) .. ', but belongs into '
              .. 'part ' .. num(f.part_of(id)), 'LEFT')
    end
    if not text and not score_in(f, base .. ':queued', id) then
        fault(f, id .. ': is QUEUED, but not in ' .. base .. ':queued', 'ASIDE')
        lost_task(f, id, nil, task, 'its state record is gone')
        return
    end
    if text then
        check_home(f, id, r, task)
    end
    if r.expire and (r.status == 'QUEUED' or r.status == 'ASSIGNED') then
        local at = score_in(f, base .. ':expiry', id)
        if not at or tonumber(at) ~= tonumber(r.expire) then
            fault(f, id .. ': has a stop_time, but is not in ' .. base
                  .. ':expiry')
            if w then
                put(w, 'ZADD', base .. ':expiry', r.expire, id)
            end
        end
    end
    if r.wait and r.status == 'QUEUED' then
        check_parents(f, id, r)
    elseif r.kids and ENDED[r.status] then
        check_children(f, id)
    elseif r.cast and r.status == 'RUNNING' then
        check_cast(f, id, r)
    end
    check_holder(f, id, r)
end

-- There is no payload of an id that a key names.
local function check_payload(f, id, name, key, text, r)
    local w = f.w
    local says = id .. ': is in ' .. key .. ', but there is no such task'
    if name == ':run' or name == ':finished' and not text then
        fault(f, says, 'ASIDE')
        if w and name == ':run' then
            set_aside(w, id .. ' output', f.now, 'output of no task',
                      redis.call('HGET', key, id))
            put(w, 'HDEL', key, id)
        elseif w then
            set_aside(w, id, f.now, 'of an ended task only its place in '
                      .. ':finished is left', '')
            put(w, 'ZREM', key, id)
        end
    elseif text and ENDED[r.status] and score_in(f, f.base .. ':ids', id) then
        fault(f, says)
        if w then
            put(w, 'HSET', f.base .. ':task', id, '-')
        end
    elseif not text and (name == ':expiry' or name == ':ids'
            or find(name, '^:stops:')) then
        fault(f, says)
        if w then
            put(w, 'ZREM', key, id)
        end
    else
        fault(f, says, 'ASIDE')
        if w then
            lost_task(f, id, text and r or nil, nil, 'what was queued is gone')
            if name ~= ':state' and name ~= ':expiry' and name ~= ':finished'
                and not (text and r.status ~= 'BROKEN'
                         and place(f.base, r, LOST) == key) then
                local kind = f.plain[key] and 'S' or 'Z'
                put(w, kind .. 'REM', key, id)
            end
        end
    end
end

-- An id in a set: does its record say so?
local function check_member(f, id, name, key, r, task)
    local belongs
    if name == ':expiry' then
        belongs = r.expire and (r.status == 'QUEUED'
                                or r.status == 'ASSIGNED')
        if not belongs then
            fault(f, id .. ': is ' .. r.status .. ', but still in ' .. key)
        end
    elseif find(name, '^:stops:') then
        belongs = r.stopping and not r.cast
            and key == f.base .. ':stops:' .. r.worker
        if not belongs then
            fault(f, id .. ': is ' .. r.status .. ' and not to be stopped, but '
                  .. 'in ' .. key)
        end
    else
        belongs = place(f.base, r, task) == key
        if not belongs then
            fault(f, id .. ': is ' .. r.status .. ', but also in ' .. key)
        end
    end
    if not belongs and f.w then
        local kind = f.plain[key] and 'S' or 'Z'
        put(f.w, kind .. 'REM', key, id)
    end
end

-- The part an id belongs to: client/core/part.c has the same.
local function part_finder(parts)
    return function(id)
        local crc = 0
        for c in string.gmatch(string.match(id, '^[^@]*'), '.') do
            crc = bit.bxor(crc, string.byte(c) * 256)
            for _ = 1, 8 do
                crc = crc * 2
                if crc >= 65536 then
                    crc = bit.bxor(crc - 65536, 4129)
                end
            end
        end
        return crc % 16384 % parts
    end
end

-- Names of all sets of a group to walk. What depends on workers and levels is
-- sorted by name: leases, and so their order, change all the time.
local function walk_names(f)
    local base, names, more = f.base, {}, {}
    for i = 1, KEYS_WALKED do
        names[i] = KEYS_KNOWN[i][1]
    end
    if type_of(f, base .. ':levels') == 'zset' then
        for _, l in ipairs(redis.call('ZRANGE', base .. ':levels', 0, 999)) do
            more[#more + 1] = ':queued:' .. l
        end
    end
    if type_of(f, base .. ':workers') == 'zset' then
        for _, worker in ipairs(redis.call('ZRANGE', base .. ':workers', 0,
                                           999)) do
            for _, kind in ipairs({':assigned:', ':cast:', ':running:',
                                   ':stops:'}) do
                more[#more + 1] = kind .. worker
            end
        end
    end
    table.sort(more)
    for _, name in ipairs(more) do
        names[#names + 1] = name
    end
    return names
end

-- Where a walk goes on. The cursor carries the name of its key: the numbers of
-- those that depend on workers change. A name that is gone: the next one.
local function walk_at(names, at, cursor)
    local digits, name = string.match(cursor, '^(%d+)(:?.*)$')
    if name == '' then
        return at, digits or '0', names[at]
    end
    for i, n in ipairs(names) do
        if n == name then
            return i, digits, n
        elseif i > KEYS_WALKED and n > name and at ~= 0 then
            return i, '0', n
        end
    end
    -- at 0: a set nobody leads to, walked alone.
    return #names + 1, digits, at == 0 and name or nil
end

local function kind_of(name)
    local kind = string.match(name, '^:(%l+):.')
    return kind and KEYS_NAMED[kind]
end

local function new_look(base, now, now_us, w)
    return {base = base, now = now, now_us = now_us, w = w, faults = {},
            moves = {}, types = {}, told = {}, plain = {}, part = 0, parts = 1}
end

-- The end of a step. If there were keys of other types than ours in its way,
-- they are moved, as they are, and nothing else is done: true.
local function end_step(f, reply)
    local w = f.w
    if w then
        check_writes(f)
    end
    local is_moved = w and #f.moves > 0
    if is_moved then -- what was to be written did not know all
        w = writer(f.base, 'repair')
        f.faults = {}
    end
    f.w = w
    for _, move in ipairs(f.moves) do
        local key, why = move[1], move[2]
        fault(f, why, 'ASIDE')
        if w then
            local to = f.base .. ':quarantine:' .. sub(key, #f.base + 2) .. ':'
                .. num(f.now_us)
            redis.call('RENAME', key, to)
            set_aside(w, key, f.now, why, 'it is ' .. to .. ' now')
        end
    end
    for _, text in ipairs(f.faults) do
        reply[#reply + 1] = text
    end
    if w then
        flush(w, f.now)
    end
    return is_moved
end

local function check_resting(f)
    local base = f.base
    if type_of(f, base .. ':resting') ~= 'zset' then
        return
    end
    for _, worker in ipairs(redis.call('ZRANGE', base .. ':resting', 0, 999)) do
        if not score_in(f, base .. ':workers', worker) then
            fault(f, worker .. ': is in ' .. base .. ':resting, but has no '
                  .. 'lease')
            if f.w then
                put(f.w, 'ZREM', base .. ':resting', worker)
            end
        end
    end
end

-- The fleet's keys, all in one step: they are few.
local function fleet_step(f)
    local base, w, ok = f.base, f.w, true
    for _, k in ipairs(KEYS_FLEET) do
        ok = check_type(f, base .. k[1], k[2]) and ok
    end
    if not ok then
        return
    end
    local leases, records = base .. ':leases', base .. ':workers'
    for _, worker in ipairs(redis.call('ZRANGE', leases, 0, 999)) do
        if redis.call('HSTRLEN', records, worker) == 0 then
            fault(f, worker .. ': has a lease, but is not in ' .. records)
            if w then
                put(w, 'HSET', records, worker, '{}')
            end
        end
    end
    local found = redis.call('HSCAN', records, '0', 'COUNT', '1000')[2]
    for i = 1, #found, 2 do
        if not redis.call('ZSCORE', leases, found[i]) then
            fault(f, found[i] .. ': is in ' .. records .. ', but has no lease '
                  .. 'that could end')
            if w then
                put(w, 'ZADD', leases, num(f.now + LEASE_GRACE), found[i])
            end
        end
    end
end

-- One step of fsck (w nil) or repair; the reply of both.
local function fsck_step(base, argv, now, now_us, w)
    local f = new_look(base, now, now_us, w)
    local reply = {num(now_us), '0', '0', '0'}
    f.part, f.parts = tonumber(argv[6] or 0), tonumber(argv[7] or 1)
    f.part_of = part_finder(f.parts)
    if not find(base, '^{[^:]*:') then
        fleet_step(f)
        if end_step(f, reply) then
            reply[2] = '1' -- once more
        end
        return reply
    end
    local names = walk_names(f)
    local at, cursor, name = walk_at(names, tonumber(argv[3]), argv[4])
    if not name then
        return reply
    end
    local ok = true
    if at == 1 and cursor == '0' then
        for _, k in ipairs(KEYS_KNOWN) do
            ok = check_type(f, base .. k[1], k[2]) and ok
        end
        check_resting(f)
    else -- nothing can be said without these
        for i = 1, 2 do
            if type_of(f, base .. KEYS_KNOWN[i][1]) ~= 'hash' then
                ok = type_of(f, base .. KEYS_KNOWN[i][1]) == 'none' and ok
            end
        end
    end
    local key = base .. name
    local kind = kind_of(name)
    f.plain[key] = kind and kind.type == 'set'
    if kind then
        ok = check_type(f, key, kind.type) and ok
    end
    local scannable = type_of(f, key)
    local found = {'0', {}}
    if ok and scannable ~= 'none' and scannable ~= 'string' then
        local scan = at <= 3 and 'HSCAN' or f.plain[key] and 'SSCAN'
            or 'ZSCAN'
        found = redis.call(scan, key, cursor, 'COUNT', argv[5])
    end
    if found[1] ~= '0' then
        reply[2], reply[3] = num(at > #names and 0 or at), found[1] .. name
    elseif at < #names then
        reply[2], reply[3] = num(at + 1), '0' .. names[at + 1]
    end
    local ids, seen = {}, {}
    for i = 1, #found[2], f.plain[key] and 1 or 2 do
        if not seen[found[2][i]] then
            seen[found[2][i]] = true
            ids[#ids + 1] = found[2][i]
        end
    end
    local states = ok and fetch(base .. ':state', ids) or {}
    local tasks = ok and fetch(base .. ':task', ids) or {}
    for i, id in ipairs(ids) do
        local r = states[i] and decode(states[i]) or fresh(0)
        if states[i] and not STATES[r.status] then
            r.status = 'BROKEN'
        end
        if not tasks[i] then
            check_payload(f, id, name, key, states[i], r)
        elseif r.status == 'BROKEN' then
            if name == ':task' then -- told once
                fault(f, id .. ': its state record cannot be read', 'ASIDE')
                lost_task(f, id, r, tasks[i], 'its state record cannot be '
                          .. 'read: ' .. states[i])
            end
        elseif name == ':task' then
            check_task(f, id, states[i], r, tasks[i])
        elseif at > 3 then
            check_member(f, id, name, key, r, tasks[i])
        end
    end
    reply[4] = num(#ids)
    if end_step(f, reply) then -- once more, without them
        reply[2], reply[3] = num(at > #names and 0 or at), cursor .. name
        reply[4] = '0'
    end
    return reply
end

-- ---- Keys by their names: whose are they? ------------------------------------

local function fleet_key(f, name, key)
    for _, k in ipairs(KEYS_FLEET) do
        if k[1] == name then
            return
        end
    end
    local kind, worker = string.match(name, '^:(%l+):(.+)$')
    if kind == 'quarantine' then
        return
    elseif kind ~= 'commands' and kind ~= 'signal' then
        fault(f, key .. ': is nobody\'s', 'LEFT')
    elseif check_type(f, key, 'zset')
        and not score_in(f, f.base .. ':leases', worker) then
        fault(f, key .. ': is of a worker that is gone')
        if f.w then
            put(f.w, 'UNLINK', key)
        end
    end
end

local function orphan(f, key, text)
    fault(f, key .. ': ' .. text)
    if f.w then
        put(f.w, 'UNLINK', key)
    end
end

-- Returns true if its members have to be walked besides.
local function group_key(f, name, key, walked)
    local base = f.base
    local kind, rest = string.match(name, '^:(%l+):(.+)$')
    local row = kind and KEYS_NAMED[kind]
    if kind == 'quarantine' then
        return
    elseif not row then
        for _, k in ipairs(KEYS_KNOWN) do
            if k[1] == name then
                return
            end
        end
        fault(f, key .. ': is nobody\'s', 'LEFT')
    elseif not check_type(f, key, row.type) then
        return
    elseif row.walk then
        return not walked[name]
    elseif kind == 'signal' then
        if not score_in(f, base .. ':workers', rest) then
            orphan(f, key, 'is of a worker that is gone')
        end
    elseif kind == 'wake' or kind == 'history' then
        return -- a hint; the worker that it wakes finds that out. Or samples
    else
        local r, task = look_up(base, rest)
        if kind == 'run' and not task then
            f.moves[#f.moves + 1] = {key, key .. ': holds runs, but there is '
                .. 'no such task'}
        elseif kind == 'parents' and not (task and r.wait) then
            orphan(f, key, 'is of a task that does not wait')
        elseif kind == 'children' and not task then
            orphan(f, key, 'is of a task that is not there')
        elseif kind == 'children' and not r.kids then
            fault(f, rest .. ': others depend on it, and its record does not '
                  .. 'know')
            if f.w then
                r.kids = '1'
                save(f.w, rest, r)
                if ENDED[r.status] then
                    put(f.w, 'ZADD', base .. ':endings', num(f.now), rest)
                end
            end
        end
    end
end

-- ARGV[3...]: names behind the base. The reply of fsck_keys and repair_keys:
-- now_us, how many of them are to be walked, these, then the faults.
local function keys_step(base, argv, now, now_us, w)
    local f = new_look(base, now, now_us, w)
    local reply, walked = {num(now_us)}, {}
    local fleet = not find(base, '^{[^:]*:')
    if not fleet then
        for _, name in ipairs(walk_names(f)) do
            walked[name] = true
        end
    end
    local names = {}
    for i = 3, #argv do
        local key = base .. argv[i]
        if type_of(f, key) == 'none' then
            -- gone meanwhile
        elseif fleet then
            fleet_key(f, argv[i], key)
        elseif group_key(f, argv[i], key, walked) then
            names[#names + 1] = argv[i]
        end
    end
    reply[2] = num(#names)
    for i = 1, #names do
        reply[2 + i] = names[i]
    end
    end_step(f, reply)
    return reply
end
