-- Open a new epoch, unless somebody else did already.
--
-- KEYS  1 epoch      ARGV  1 the epoch that is over, 2 the new one
-- Returns the epoch that holds now.

if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2])
end
return redis.call('GET', KEYS[1])
