-- queue_task: - -> QUEUED. Any number of tasks, all or none of them.
-- FLAGS:
-- ARGV[3] 1: a repeated call; a task that is there with equal content is fine
-- ARGV[4...] six a task: id, function, start (ms, or +n/-n from now), stop
-- (the same, or ''), rules ('key=value ...', see the prelude), and the rest of
-- the task as a JSON object
-- Returns now_us, then for each refused task: index (from 0), code, field, text
local base = KEYS[1]
local now, now_us = enter(ARGV)
local again = ARGV[3] == '1'
local n = (#ARGV - 3) / 6
local ids, tasks, bad, seen = {}, {}, {num(now_us)}, {}

local RULES = {repeats = 1, period = 1, drift = 1, retry = 1, delay = 1,
               backoff = 1, cap = 1, level = 1, disabled = 1, ttl = 1,
               discard = 1}

local function refuse(i, code, field, text)
    bad[#bad + 1] = num(i - 1)
    bad[#bad + 1] = code
    bad[#bad + 1] = field
    bad[#bad + 1] = text
end

local function when(text)
    local ms = string.find(text, '^[-+]?%d+$') and tonumber(text)
    if ms and string.find(text, '^[-+]') then
        ms = now + ms
    end
    return ms and ms >= 0 and ms < 2 ^ 52 and ms
end

for i = 1, n do
    local at = 4 + (i - 1) * 6
    local id, fn, rest = ARGV[at], ARGV[at + 1], ARGV[at + 5]
    ids[i] = id
    tasks[i] = '{"function":"' .. fn .. '"'
        .. (rest == '{}' and '}' or ',' .. string.sub(rest, 2))
    if #id == 0 or #id > 128 or string.find(id, '[^%w_.:-]') then
        refuse(i, 'INVALID', 'id', 'must be 1 to 128 of A-Za-z0-9_.:-')
    elseif seen[id] then
        refuse(i, 'EXISTS', 'id', 'is named twice')
    end
    seen[id] = true
    if #fn == 0 or #fn > 128 or string.find(fn, '[^%w_.:/-]') then
        refuse(i, 'INVALID', 'function', 'must be 1 to 128 of A-Za-z0-9_.:/-')
    end
    if not string.find(rest, '^{.*}$') or #rest > PAYLOAD_MAX then
        refuse(i, 'INVALID', 'args', 'must be a JSON object up to 1 MiB')
    end
    if not when(ARGV[at + 2]) then
        refuse(i, 'INVALID', 'start_time', 'is not a time')
    end
    if ARGV[at + 3] ~= '' and not when(ARGV[at + 3]) then
        refuse(i, 'INVALID', 'stop_time', 'is not a time')
    end
    if ARGV[at + 4] ~= '' and string.find(' ' .. ARGV[at + 4],
            '[^%w=. -]') then
        refuse(i, 'INVALID', 'rules', 'are not key=value')
    else
        for rule in string.gmatch(ARGV[at + 4], '%S+') do
            local key, value = string.match(rule, '^(%l+)=(-?%d[%d.]*)$')
            if not RULES[key or ''] or not tonumber(value) then
                refuse(i, 'INVALID', 'rules', 'are not rules=number')
                break
            end
        end
    end
end
if n < 1 or n ~= math.floor(n) then
    error({err = 'INVALID queue_task takes six arguments a task'})
end

local old = fetch(base .. ':task', ids)
for i = 1, n do
    if old[i] and not (again and old[i] == tasks[i]) then
        refuse(i, 'EXISTS', 'id', 'is there already in this group')
    end
end
if #bad > 1 then
    return bad
end

local w = writer(base)
local task, queued = list(w, 'HSET', base .. ':task'), nil
local first
for i = 1, n do
    local at = 4 + (i - 1) * 6
    if not old[i] then
        local due, rules = when(ARGV[at + 2]), ARGV[at + 4]
        task[#task + 1] = ids[i]
        task[#task + 1] = tasks[i]
        if rules == '' and ARGV[at + 3] == '' then
            queued = queued or list(w, 'ZADD', base .. ':queued')
            queued[#queued + 1] = num(due)
            queued[#queued + 1] = ids[i]
            if not first or due < first then
                first = due
            end
        else
            local r = decode('QUEUED 0 - - 0 0 0 ' .. rules)
            r.begin = num(due)
            if ARGV[at + 3] ~= '' then
                r.expire = num(when(ARGV[at + 3]))
                wake(w, tonumber(r.expire))
            end
            requeue(w, ids[i], r, due, tasks[i])
        end
    end
end
if first then
    wake(w, first)
end
flush(w)
return bad
