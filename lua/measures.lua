-- measures: what runs of each function were counted and timed, see
-- prelude_measures.lua.
-- FLAGS: no-writes
-- ARGV[3] where to go on ('0': from the start)  ARGV[4] about so many fields
-- Returns now_us, where to go on ('0': that was all), then field and number by
-- turns; one may come twice, the later is newer
local base = KEYS[1]
local _, now_us = enter(ARGV)
local found = redis.call('HSCAN', base .. ':measures', ARGV[3], 'COUNT',
                         ARGV[4])
local reply = {num(now_us), found[1]}
for i = 1, #found[2], 2 do
    local field = found[2][i]
    if find(field, '^[qrCFTSL][%ds]*$') or find(field, '^[qrCFTSL][%ds]* ')
    then
        reply[#reply + 1] = field
        reply[#reply + 1] = found[2][i + 1]
    end
end
return reply
