-- fsck: looks at one step of one key and says what does not agree: every task
-- is in exactly the set its state demands, and nothing is in one that should
-- not be. Changes nothing.
-- FLAGS: no-writes
-- ARGV[3] which key (from 1)  ARGV[4] cursor  ARGV[5] how many, about
-- ARGV[6] which part of its group this is  ARGV[7] how many parts it has
-- (absent: all of it)
-- Returns now_us, the next key (0: done), the next cursor, how many were looked
-- at, then a sentence a fault
local base = KEYS[1]
local now, now_us = enter(ARGV)
local keys = {base .. ':task', base .. ':state', base .. ':run',
              base .. ':expiry', base .. ':finished', base .. ':queued',
              base .. ':held', base .. ':ids', base .. ':waiting',
              base .. ':broadcast', base .. ':casting', base .. ':suspects'}
for _, l in ipairs(redis.call('ZRANGE', base .. ':levels', 0, 999)) do
    keys[#keys + 1] = base .. ':queued:' .. l
end
local plain = {} -- sets without scores
for _, worker in ipairs(redis.call('ZRANGE', base .. ':workers', 0, 999)) do
    for _, kind in ipairs({':assigned:', ':running:', ':cast:'}) do
        keys[#keys + 1] = base .. kind .. worker
        plain[base .. kind .. worker] = kind ~= ':cast:'
    end
end
local at = tonumber(ARGV[3])
local key = keys[at]
if not key then
    return {num(now_us), '0', '0', '0'}
end
local scan = at <= 3 and 'HSCAN' or plain[key] and 'SSCAN' or 'ZSCAN'
local found = redis.call(scan, key, ARGV[4], 'COUNT', ARGV[5])
local reply = {num(now_us), num(found[1] == '0' and at + 1 or at), found[1],
               '0'}
local function fault(text)
    reply[#reply + 1] = text
end
local part, parts = tonumber(ARGV[6] or 0), tonumber(ARGV[7] or 1)

-- The part an id belongs to: client/core/part.c has the same.
local function part_of(id)
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
local ids = {}
for i = 1, #found[2], plain[key] and 1 or 2 do
    ids[#ids + 1] = found[2][i]
end
local states, tasks = fetch(base .. ':state', ids), fetch(base .. ':task', ids)
for i, id in ipairs(ids) do
    local r = states[i] and decode(states[i]) or fresh(0)
    if not tasks[i] then
        fault(id .. ': is in ' .. key .. ', but there is no such task')
    elseif r.status == 'BROKEN' then
        fault(id .. ': its state record cannot be read')
    elseif at == 1 then
        if parts > 1 and part_of(id) ~= part then
            fault(id .. ': is in part ' .. part .. ', but belongs into part '
                  .. part_of(id))
        end
        local home, kind = place(base, r, tasks[i])
        local found_in = kind == 'S' and redis.call('SISMEMBER', home, id) == 1
            or kind == 'Z' and redis.call('ZSCORE', home, id)
        if not found_in then
            fault(id .. ': is ' .. r.status .. ', but not in ' .. home)
        end
        if r.expire and (r.status == 'QUEUED' or r.status == 'ASSIGNED')
            and not redis.call('ZSCORE', base .. ':expiry', id) then
            fault(id .. ': has a stop_time, but is not in ' .. base
                  .. ':expiry')
        end
        if r.wait and redis.call('SCARD', base .. ':parents:' .. id)
            ~= tonumber(r.wait) then
            fault(id .. ': waits for ' .. r.wait .. ' tasks, but not those in '
                  .. base .. ':parents:' .. id)
        end
        if r.stopping and not r.cast and not redis.call('ZSCORE',
                base .. ':stops:' .. r.worker, id) then
            fault(id .. ': is to be stopped, but not in ' .. base .. ':stops:'
                  .. r.worker)
        end
        if (r.status == 'ASSIGNED' or r.status == 'RUNNING' or r.of)
            and not r.cast
            and not redis.call('ZSCORE', base .. ':workers', r.worker) then
            fault(id .. ': is held by ' .. r.worker
                  .. ', which has no lease that could end')
        end
    elseif at == 4 then
        if not r.expire or (r.status ~= 'QUEUED'
                and r.status ~= 'ASSIGNED') then
            fault(id .. ': is ' .. r.status .. ', but still in ' .. key)
        end
    elseif at > 4 and place(base, r, tasks[i]) ~= key then
        fault(id .. ': is ' .. r.status .. ', but also in ' .. key)
    end
end
reply[4] = num(#ids)
return reply
