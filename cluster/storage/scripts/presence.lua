-- Change who is in a room, and tell every node through the shard log (these entries have no seq).
--
-- KEYS  1 epoch, 2 leases, 3 memberships of the incarnation, 4 presence, 5 its version, 6 shard head, 7 shard log
-- ARGV  1 epoch the node speaks for ('' = there is no log to tell it by), 2 incarnation, 3 room, 4 shard,
--       5 entries kept in the shard log, then triples: 'add' connection json | 'remove' connection ''
-- Returns {'epoch_changed'}
--       {'incarnation_gone'}: it was reaped; what it registered now would stay for ever
--       {'changed', entries that changed}

if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'epoch_changed'}
end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 then
  return {'incarnation_gone'}
end

local changed = 0
for i = 6, #ARGV, 3 do
  local member = ARGV[4] .. ' ' .. ARGV[3] .. ' ' .. ARGV[i + 1]
  if ARGV[i] == 'add' then
    redis.call('HSET', KEYS[4], ARGV[i + 1], ARGV[2] .. ' ' .. ARGV[i + 2])
    redis.call('SADD', KEYS[3], member)
    changed = changed + 1
  else
    changed = changed + redis.call('HDEL', KEYS[4], ARGV[i + 1])
    redis.call('SREM', KEYS[3], member)
  end
end
if changed > 0 then
  redis.call('INCR', KEYS[5])
  if ARGV[1] ~= '' then
    local k = redis.call('INCR', KEYS[6])
    redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[5], string.format('%d-0', k), 'p', ARGV[3])
  end
end
return {'changed', changed}
