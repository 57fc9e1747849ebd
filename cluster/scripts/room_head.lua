-- Where a room stands, all at one moment.
--
-- KEYS  1 epoch, 2 room head, 3 room log, 4 shard head
-- Returns {epoch or '', head seq, id of the oldest entry that is kept or '', head of the shard log}

local oldest = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
return {
  redis.call('GET', KEYS[1]) or '',
  tonumber(redis.call('GET', KEYS[2]) or '0'),
  oldest[1] and oldest[1][1] or '',
  tonumber(redis.call('GET', KEYS[4]) or '0'),
}
