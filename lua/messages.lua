-- messages: what this group has to tell others, oldest first; and those that
-- were delivered -> gone.
-- FLAGS: allow-oom
-- ARGV[3] how many to return  ARGV[4...] messages that were delivered
-- Returns now_us, then the messages: KIND GROUP ID FROM WORD, as `post` in the
-- prelude wrote them
local base = KEYS[1]
local now, now_us = enter(ARGV)
if #ARGV > 3 then
    redis.call('ZREM', base .. ':messages', unpack(ARGV, 4, #ARGV))
end
local reply = {num(now_us)}
for _, m in ipairs(redis.call('ZRANGE', base .. ':messages', 0,
                              tonumber(ARGV[3]) - 1)) do
    reply[#reply + 1] = m
end
return reply
