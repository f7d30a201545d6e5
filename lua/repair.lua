-- repair: the same step as fsck, and puts right what it finds: the state record
-- is the authority. What it cannot decide is set aside in :quarantine, and its
-- task, unless it has ended or a worker holds it, is FAILED "record lost". A
-- repair may be repeated, and what agrees is not touched.
-- FLAGS: allow-oom
-- ARGV as of fsck
-- Returns as fsck, but two a fault: the sentence, and MENDED, ASIDE (in
-- :quarantine now), LEFT (not for a script to decide) or PARENTS (to be
-- continued with repair_parents)
local now, now_us = enter(ARGV)
return fsck_step(KEYS[1], ARGV, now, now_us, writer(KEYS[1],
                 'repair'))
