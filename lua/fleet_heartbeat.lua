-- fleet_heartbeat: the fleet's registry: who is there, who leads, which groups
-- there are. KEYS[1] is the fleet's base, {stint}.
-- FLAGS: allow-oom
-- ARGV[3] worker ('': only name the groups)  ARGV[4] its record (JSON; '': it
-- is no worker and only wants to lead)
-- ARGV[5] lease in ms, 0: it leaves; behind a blank the number of the last
-- command it has carried out  ARGV[6...] groups; behind a blank may stand
-- N: it is spread over N parts at least, N TOKEN: the same, and the caller is
-- about to change that, =N TOKEN: it has, and N is all, unless somebody else
-- has come since
-- Refuses: PROTOCOL, data of a newer major version
-- Returns now_us, 1 if this worker leads the reaping, a list of commands it has
-- not carried out yet ('number verb'), then all groups, those in several parts
-- with their number behind a blank
local base, worker = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
if not check_format(base) then
    redis.call('SET', base .. ':format', FORMAT)
end
local lead, commands = '0', {}

local function keep_parts(group, exact, n, token)
    local key = base .. ':parts'
    local old = redis.call('HGET', key, group) or '1'
    local most = math.max(tonumber(n), tonumber(string.match(old, '^%d+')))
    if exact ~= '' then
        if string.match(old, ' (%S+)$') ~= token then
            return
        elseif n == '1' then
            redis.call('HDEL', key, group)
        else
            redis.call('HSET', key, group, n)
        end
        return
    end
    local more = num(most) ~= string.match(old, '^%d+')
    if token ~= '' then
        redis.call('HSET', key, group, num(most) .. ' ' .. token)
    elseif more then
        redis.call('HSET', key, group, n)
    end
    -- Workers hear of new parts at once.
    local live = more and redis.call('ZRANGEBYSCORE', base .. ':leases',
                                     num(now), '+inf', 'LIMIT', 0, 1000) or {}
    for _, name in ipairs(live) do
        redis.call('ZADD', base .. ':signal:' .. name, '0', 's')
    end
end

for i = 6, #ARGV do
    local name, exact, n, token = string.match(ARGV[i],
                                               '^(%S+) (=?)(%d+) ?(%S*)$')
    redis.call('ZADD', base .. ':groups', num(now), name or ARGV[i])
    if name then
        keep_parts(name, exact, n, token)
    end
end
if worker ~= '' then
    local lease, acted = string.match(ARGV[5], '^(%d+) ?(%d*)$')
    lease = tonumber(lease)
    local queue = base .. ':commands:' .. worker
    if acted ~= '' and acted ~= '0' then
        redis.call('ZREMRANGEBYSCORE', queue, '-inf', acted)
    end
    commands = redis.call('ZRANGE', queue, 0, STEP - 1)
    local leader = redis.call('GET', base .. ':leader')
    if lease == 0 then
        redis.call('HDEL', base .. ':workers', worker)
        redis.call('ZREM', base .. ':leases', worker)
        redis.call('UNLINK', queue, base .. ':signal:' .. worker)
        if leader == worker then
            redis.call('DEL', base .. ':leader')
        end
    else
        if ARGV[4] ~= '' then
            redis.call('HSET', base .. ':workers', worker, ARGV[4])
            redis.call('ZADD', base .. ':leases', num(now + lease), worker)
        end
        -- A leader whose key has so long to live may be dead: Redis's clock
        -- went back.
        if not leader or leader == worker
            or redis.call('PTTL', base .. ':leader') > 10 * lease + 600000 then
            redis.call('SET', base .. ':leader', worker, 'PX', num(lease))
            lead = '1'
        end
    end
    local dead = redis.call('ZRANGEBYSCORE', base .. ':leases', '-inf',
                            num(now - HOUR), 'LIMIT', 0, 20)
    for _, name in ipairs(dead) do
        redis.call('HDEL', base .. ':workers', name)
        redis.call('ZREM', base .. ':leases', name)
        redis.call('UNLINK', base .. ':commands:' .. name,
                   base .. ':signal:' .. name)
    end
end
local reply = fleet_groups(base)
table.insert(reply, 1, commands)
table.insert(reply, 1, lead)
table.insert(reply, 1, num(now_us))
return reply
