-- quarantine: what repairs have set aside. KEYS[1] is the base of a group or of
-- the fleet.
-- FLAGS: no-writes
-- ARGV[3] cursor  ARGV[4] how many, about
-- Returns now_us, the next cursor (0: done), then two an entry: its name (an id
-- or a key), and what was there and why, as JSON
local now, now_us = enter(ARGV)
local found = redis.call('HSCAN', KEYS[1] .. ':quarantine', ARGV[3], 'COUNT',
                         ARGV[4])
local reply = {num(now_us), found[1]}
for i = 1, #found[2] do
    reply[#reply + 1] = found[2][i]
end
return reply
