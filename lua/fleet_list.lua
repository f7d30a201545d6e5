-- fleet_list: the groups there are, and the workers with their leases.
-- FLAGS: no-writes
-- ARGV[3] 0: without the workers, which may be many
-- Refuses: PROTOCOL, data of a newer major version
-- Returns now_us, the leader ('' none), the library's version and SHA-1, the
-- number of groups, their names (those in several parts with their number
-- behind a blank), then three a worker: name, end of lease (ms), record
local base = KEYS[1]
local now, now_us = enter(ARGV)
check_format(base)
local groups = fleet_groups(base)
local reply = {num(now_us), redis.call('GET', base .. ':leader') or '',
               LIBRARY, num(#groups)}
for _, name in ipairs(groups) do
    reply[#reply + 1] = name
end
if ARGV[3] == '0' then
    return reply
end
local workers = redis.call('ZRANGE', base .. ':leases', 0, 999, 'WITHSCORES')
for i = 1, #workers, 2 do
    reply[#reply + 1] = workers[i]
    reply[#reply + 1] = workers[i + 1]
    reply[#reply + 1] = redis.call('HGET', base .. ':workers', workers[i])
        or '{}'
end
return reply
