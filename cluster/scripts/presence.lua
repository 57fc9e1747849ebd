-- Change who is in a room, and tell every node through the shard log (these entries have no seq).
--
-- KEYS  1 epoch, 2 presence, 3 its version, 4 shard head, 5 shard log
-- ARGV  1 guard ('' = do not tell: there is no tail), 2 room, 3 entries kept in the shard,
--       then triples: 'add' connection json | 'remove' connection ''
-- Returns {'epoch_changed'} or {'changed', how many entries}.

local tell = ARGV[1] ~= ''
if tell and redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'epoch_changed'}
end
local changed = 0
for i = 4, #ARGV, 3 do
  if ARGV[i] == 'add' then
    redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2])
    changed = changed + 1
  else
    changed = changed + redis.call('HDEL', KEYS[2], ARGV[i + 1])
  end
end
if changed > 0 then
  redis.call('INCR', KEYS[3])
  if tell then
    local k = redis.call('INCR', KEYS[4])
    redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[3], string.format('%d-0', k), 'p', ARGV[2])
  end
end
return {'changed', changed}
