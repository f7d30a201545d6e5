-- queue_task: - -> QUEUED. Any number of tasks, all or none of them.
-- FLAGS:
-- ARGV[3] 1: a repeated call; a task that is there with equal content is fine.
-- Behind a blank: over how many parts the caller believes the group is spread
-- (absent: 1)
-- ARGV[4...] six a task: id, function, start (ms, or +n/-n from now), stop
-- (the same, or ''), rules ('key=value ...', see the prelude; after=GROUP/ID or
-- after=ID: a parent, which is there or comes earlier in this call), and the
-- rest of the task as a JSON object, alone or as it is kept: behind the function
-- and a blank
-- Returns now_us, then for each refused task: index (from 0), code, field, text
-- Refuses: PARTS and the number there is; 0: it is being changed
local base = KEYS[1]
local now, now_us = enter(ARGV)
local again, believed = string.match(ARGV[3] or '', '^([01]) ?(%d*)$')
again = again == '1'
local there = redis.call('GET', base .. ':parts') or '1'
if there ~= (believed ~= '' and believed or '1') then
    return redis.error_reply('PARTS ' .. string.match(there, '^%d+'))
end
local n = (#ARGV - 3) / 6
local ids, tasks, bad, seen = {}, {}, {num(now_us)}, {}
local own = own_group(base)
local parents, asked, ask = {}, {}, {} -- of tasks with parents
local times, functions = {}, {} -- checked before: most are like the one before

local PARENTS_MAX = 1000
local LARGE = 2048 -- bytes: a batch of smaller ones is never too much
local NONE = {}
local OPEN, CLOSE = byte('{', 1), byte('}', 1)

local function refuse(i, code, field, text)
    bad[#bad + 1] = num(i - 1)
    bad[#bad + 1] = code
    bad[#bad + 1] = field
    bad[#bad + 1] = text
end

local function read_time(text)
    local ms = find(text, '^[-+]?%d+$') and tonumber(text)
    if ms and find(text, '^[-+]') then
        ms = now + ms
    end
    return ms and ms >= 0 and ms < 2 ^ 52 and num(ms)
end

-- The time in ms as text, or false.
local function when(text)
    local time = times[text]
    if time == nil then
        time = read_time(text)
        times[text] = time
    end
    return time
end

-- What the task is kept with, or false: it is no name of a function.
local function mark_of(fn)
    local mark = functions[fn]
    if mark == nil then
        mark = #fn > 0 and #fn <= 128 and not find(fn, '[^%w_.:/-]')
            and fn .. ' '
        functions[fn] = mark
    end
    return mark
end

-- after=GROUP/ID. Of our group: it is earlier in this call or has to be asked
-- for; of another: the caller has asked, and a message will tell that group.
local function add_parent(i, ref)
    local group, id = string.match(ref, '^([%w_.~-]+)/([%w_.:-]+)$')
    if not group then
        group, id = own, string.match(ref, '^[%w_.:-]+$')
    end
    if not id or #group > 128 or #id > 128 then
        refuse(i, 'INVALID', 'depends_on', 'is not an id: ' .. ref)
        return
    end
    parents[i] = parents[i] or {}
    if #parents[i] == PARENTS_MAX then
        refuse(i, 'INVALID', 'depends_on', 'names too many tasks')
        return
    end
    local entry = {ref = group .. '/' .. id, id = group == own and id}
    parents[i][#parents[i] + 1] = entry
    if entry.id and (seen[id] or i) < i then
        parents[seen[id]] = parents[seen[id]] or {}
        parents[seen[id]].kids = true
    end
    if entry.id and not asked[id] then
        ask[#ask + 1] = id
        asked[id] = #ask
    end
end

for i = 1, n do
    local at = 4 + (i - 1) * 6
    local id, fn, rest = ARGV[at], ARGV[at + 1], ARGV[at + 5]
    ids[i] = id
    local mark = mark_of(fn)
    -- A long text is not put together here: Lua would hash it once more.
    local json = mark and find(rest, mark, 1, true) == 1 and #mark + 1 or 1
    tasks[i] = json > 1 and rest or fn .. ' ' .. rest
    if #id == 0 or #id > 128 or find(id, '[^%w_.:-]') then
        refuse(i, 'INVALID', 'id', 'must be 1 to 128 of A-Za-z0-9_.:-')
    elseif seen[id] then
        refuse(i, 'EXISTS', 'id', 'is named twice')
    end
    seen[id] = seen[id] or i
    if not mark then
        refuse(i, 'INVALID', 'function', 'must be 1 to 128 of A-Za-z0-9_.:/-')
    end
    if byte(rest, json) ~= OPEN or byte(rest, -1) ~= CLOSE
        or #rest > PAYLOAD_MAX then
        refuse(i, 'INVALID', 'args', 'must be a JSON object up to 1 MiB')
    end
    if not when(ARGV[at + 2]) then
        refuse(i, 'INVALID', 'start_time', 'is not a time')
    end
    if ARGV[at + 3] ~= '' and not when(ARGV[at + 3]) then
        refuse(i, 'INVALID', 'stop_time', 'is not a time')
    end
    if ARGV[at + 4] ~= '' then
        for rule in string.gmatch(ARGV[at + 4], '%S+') do
            local key, value = string.match(rule, '^(%l+)=(-?%d[%d.]*)$')
            local ref = string.match(rule, '^after=(.+)$')
            if ref then
                add_parent(i, ref)
            elseif not RULES_ASKED[key or ''] or not tonumber(value) then
                refuse(i, 'INVALID', 'rules', 'are not rules=number')
                break
            elseif key == 'cast' and #id > 120 then
                refuse(i, 'INVALID', 'id',
                       'must be up to 120 characters with broadcast')
            end
        end
    end
end
if n < 1 or n ~= math.floor(n) then
    error({err = 'INVALID queue_task takes six arguments a task'})
end

-- One plain task, as a web request queues it: there is nothing to collect.
if n == 1 and #bad == 1 and not again and ARGV[7] == '' and ARGV[8] == ''
    and #tasks[1] <= LARGE and demand_zsets(base .. ':queued', base .. ':wake')
    and redis.call('HSETNX', base .. ':task', ids[1], tasks[1]) == 1 then
    local due = when(ARGV[6])
    redis.call('ZADD', base .. ':queued', due, ids[1])
    redis.call('ZADD', base .. ':wake', 'LT', due, 'w')
    local kept = events_kept(base)
    if kept > 0 then
        add_event(base, kept, 'queue_task', 1,
                  'QUEUED - 0 ' .. ARGV[5] .. ' ' .. ids[1])
    end
    return bad
end

local old = fetch(base .. ':task', ids)
for i = 1, n do
    if old[i] and not (again and old[i] == tasks[i]) then
        refuse(i, 'EXISTS', 'id', 'is there already in this group')
    end
end
local ask_tasks, ask_states = fetch(base .. ':task', ask),
                              fetch(base .. ':state', ask)
for i = 1, n do
    for _, parent in ipairs(not old[i] and parents[i] or NONE) do
        local at = parent.id and asked[parent.id]
        if at and not ask_tasks[at] and (seen[parent.id] or i) >= i then
            refuse(i, 'NOTFOUND', 'depends_on',
                   seen[parent.id] == i and 'names the task itself'
                   or 'there is no task ' .. shown(parent.ref))
        end
    end
end
if #bad > 1 then
    return bad
end

local w = writer(base, 'queue_task')
-- Written last: whoever asks again after an error before that queues it again,
-- where a task that stands nowhere would be taken for one that is queued.
local task = {cmd = 'HSET', key = base .. ':task', pass = RECORDS}
local queued = list(w, 'ZADD', base .. ':queued')
local has_large
local first, last -- when the earliest is due; the one before
local ids_told, fn_told -- of the event of those before
local changed = {} -- records of parents that have become so
local stillborn = {} -- tasks of this call whose parents failed them

-- The parent that failed the task already; otherwise r.wait is set.
local function wait_for(i, r)
    local id, open, failed = ids[i], 0, nil
    r.parents = num(#parents[i])
    local set = {}
    for _, parent in ipairs(parents[i]) do
        local at = parent.id and asked[parent.id]
        local p = stillborn[parent.id or '']
            or at and ask_tasks[at] and (changed[parent.id]
                or ask_states[at] and decode(ask_states[at])
                or fresh(redis.call('ZSCORE', base .. ':queued', parent.id)
                         or now))
        if set[parent.ref] then
            -- named twice
        elseif p and ENDED[p.status] then
            if p.status ~= 'COMPLETED' and not r.anyway then
                failed = shown(parent.ref) .. ', which ended '
                    .. p.status
            end
        else
            set[parent.ref] = true
            open = open + 1
            if p and not p.kids then
                p.kids = '1'
                changed[parent.id] = p
            end
        end
    end
    if failed or open == 0 then
        return failed
    end
    for ref in pairs(set) do
        put(w, 'SADD', base .. ':parents:' .. id, ref)
        local group, parent = string.match(ref, '^([^/]+)/(.+)$')
        if group == own then
            put(w, 'ZADD', base .. ':children:' .. parent, '0',
                own .. '/' .. id)
        else
            post(w, now, 'link', ref, own .. '/' .. id, '-')
        end
    end
    r.wait = num(open)
end

for i = 1, n do
    local at = 4 + (i - 1) * 6
    if not old[i] then
        local due, rules = when(ARGV[at + 2]), ARGV[at + 4]
        task[#task + 1] = ids[i]
        task[#task + 1] = tasks[i]
        has_large = has_large or #tasks[i] > LARGE
        if rules == '' and ARGV[at + 3] == '' and not parents[i] then
            queued[#queued + 1] = due
            queued[#queued + 1] = ids[i]
            if ARGV[at + 1] ~= fn_told then
                fn_told = ARGV[at + 1]
                ids_told = told(w, 'QUEUED', '-', '0', fn_told)
            end
            if ids_told then
                ids_told[#ids_told + 1] = ids[i]
            end
            if due ~= last then
                last, first = due, math.min(first or tonumber(due),
                                            tonumber(due))
            end
        else
            local r = decode('QUEUED 0 - - 0 0 0 '
                .. string.gsub(rules, 'after=%S+ ?', ''))
            r.begin = r.begin or due
            local failed
            if parents[i] then
                r.kids = parents[i].kids and '1'
                failed = #parents[i] > 0 and wait_for(i, r)
            end
            if ARGV[at + 3] ~= '' then
                r.expire = when(ARGV[at + 3])
                wake(w, tonumber(r.expire) + 1)
            end
            if failed then
                r.next = tonumber(due)
                stillborn[ids[i]] = {status = 'FAILED'}
                finish(w, ids[i], r, 'FAILED', now,
                       '{"error":"it depends on ' .. failed .. '"}')
            else
                requeue(w, ids[i], r, tonumber(due), tasks[i])
            end
        end
    end
end
for id, r in pairs(changed) do
    save(w, id, r)
end
if has_large then -- assign counts bytes from now on
    put(w, 'SET', base .. ':large', '1')
end
if first then
    wake(w, first)
end
w.order[#w.order + 1] = task
flush(w, now)
return bad
