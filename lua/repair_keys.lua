-- repair_keys: the same as fsck_keys, and puts right what it finds.
-- FLAGS: allow-oom
-- ARGV as of fsck_keys
-- Returns as fsck_keys, but two a fault, as repair
local now, now_us = enter(ARGV)
return keys_step(KEYS[1], ARGV, now, now_us, writer(KEYS[1],
                 'repair'))
