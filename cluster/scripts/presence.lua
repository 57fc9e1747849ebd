-- Change who is in a room, and tell every node through the shard log (these entries have no seq).
--
-- KEYS  1 presence, 2 its version, 3 shard head, 4 shard log
-- ARGV  1 room, 2 entries kept in the shard ('' = do not tell: there is no tail),
--       then triples: 'add' connection json | 'remove' connection ''
-- Returns how many entries changed.

local changed = 0
for i = 3, #ARGV, 3 do
  if ARGV[i] == 'add' then
    redis.call('HSET', KEYS[1], ARGV[i + 1], ARGV[i + 2])
    changed = changed + 1
  else
    changed = changed + redis.call('HDEL', KEYS[1], ARGV[i + 1])
  end
end
if changed > 0 then
  redis.call('INCR', KEYS[2])
  if ARGV[2] ~= '' then
    local k = redis.call('INCR', KEYS[3])
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[2], string.format('%d-0', k), 'p', ARGV[1])
  end
end
return changed
