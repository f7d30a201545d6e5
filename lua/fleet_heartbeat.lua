-- fleet_heartbeat: the fleet's registry: who is there, who leads, which groups
-- there are. KEYS[1] is the fleet's base, {stint}.
-- FLAGS: allow-oom
-- ARGV[3] worker ('': only name the groups)  ARGV[4] its record (JSON)
-- ARGV[5] lease in ms, 0: it leaves; behind a blank the number of the last
-- command it has carried out  ARGV[6...] groups
-- Returns now_us, 1 if this worker leads the reaping, a list of commands it has
-- not carried out yet ('number verb'), then all groups
local base, worker = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local lead, commands = '0', {}
for i = 6, #ARGV do
    redis.call('ZADD', base .. ':groups', num(now), ARGV[i])
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
        redis.call('HSET', base .. ':workers', worker, ARGV[4])
        redis.call('ZADD', base .. ':leases', num(now + lease), worker)
        if not leader or leader == worker then
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
local reply = redis.call('ZRANGE', base .. ':groups', 0, 999)
table.insert(reply, 1, commands)
table.insert(reply, 1, lead)
table.insert(reply, 1, num(now_us))
return reply
