-- fsck: looks at one step of one key and says what does not agree: every task
-- is in exactly the set its state demands, at its time, and nothing is in one
-- that should not be; keys are of their types. Changes nothing. KEYS[1] may be
-- the base of the fleet, whose keys are one step.
-- FLAGS: no-writes
-- ARGV[3] which key (from 1; 0: the one that the cursor names, alone)
-- ARGV[4] cursor: "0", or what the last step returned  ARGV[5] how many, about
-- ARGV[6] which part of its group this is  ARGV[7] how many parts it has
-- (absent: all of it)
-- Returns now_us, the next key (0: done, if the cursor is 0), the next cursor,
-- how many were looked at, then a sentence a fault
local now, now_us = enter(ARGV)
return fsck_step(KEYS[1], ARGV, now, now_us, nil)
