-- list: tasks of a group, a step at a time: running, assigned, queued (highest
-- level first), disabled, then ended ones, newest first. A task that moves
-- while the steps go on can be missed or come twice.
-- FLAGS: no-writes
-- ARGV[3] status or ''  ARGV[4] function or ''  ARGV[5] how many to look at
-- ARGV[6] cursor ('' at first)
-- Returns now_us, the next cursor ('' at the end), then four a task: id, state
-- record, task, due
local base, status, fn = KEYS[1], ARGV[3], ARGV[4]
local now, now_us = enter(ARGV)
local step = tonumber(ARGV[5])
local keys = {}
local workers = redis.call('ZRANGE', base .. ':workers', 0, 999)
local function want(...)
    for _, s in ipairs({...}) do
        if status == '' or status == s then
            return true
        end
    end
end
for _, kind in ipairs({'running', 'assigned'}) do
    if want(string.upper(kind)) then
        for _, worker in ipairs(workers) do
            keys[#keys + 1] = base .. ':' .. kind .. ':' .. worker
        end
        if kind == 'running' then
            keys[#keys + 1] = base .. ':casting'
        end
    end
end
if want('QUEUED') then
    for _, l in ipairs(redis.call('ZREVRANGE', base .. ':levels', 0, 999)) do
        keys[#keys + 1] = base .. ':queued:' .. l
    end
    keys[#keys + 1] = base .. ':suspects'
    keys[#keys + 1] = base .. ':queued'
    keys[#keys + 1] = base .. ':waiting'
    keys[#keys + 1] = base .. ':broadcast'
    keys[#keys + 1] = base .. ':held'
end
if want('COMPLETED', 'FAILED', 'TIMEOUT', 'STOPPED', 'EXPIRED') then
    keys[#keys + 1] = base .. ':finished'
end

local at, offset = string.match(ARGV[6], '^(%d+) (%d+)$')
at, offset = tonumber(at or 1), offset or '0'
local reply = {num(now_us), ''}
while at <= #keys do
    local key, ids, dues, next_offset = keys[at], {}, {}, '0'
    if find(key, base .. ':running:', 1, true) == 1
        or find(key, base .. ':assigned:', 1, true) == 1 then
        ids, next_offset = some_of(key, offset, step)
    else
        local found = redis.call(
            key == base .. ':finished' and 'ZREVRANGE' or 'ZRANGE', key,
            offset, offset + step - 1, 'WITHSCORES')
        for i = 1, #found, 2 do
            ids[#ids + 1] = found[i]
            dues[#dues + 1] = found[i + 1]
        end
        if #ids == step then
            next_offset = num(offset + step)
        end
    end
    if #ids > 0 then
        local states, tasks = fetch(base .. ':state', ids),
                              fetch(base .. ':task', ids)
        for i, id in ipairs(ids) do
            local s = states[i] and string.match(states[i], '^%u+') or 'QUEUED'
            if tasks[i] and (status == '' or s == status)
                and (fn == '' or function_of(tasks[i]) == fn) then
                reply[#reply + 1] = id
                reply[#reply + 1] = states[i] or ''
                reply[#reply + 1] = tasks[i]
                reply[#reply + 1] = dues[i] or '0'
            end
        end
        if next_offset == '0' then
            at = at + 1
        end
        offset = next_offset
        break
    end
    at, offset = at + 1, '0'
end
if at <= #keys then
    reply[2] = num(at) .. ' ' .. offset
end
return reply
