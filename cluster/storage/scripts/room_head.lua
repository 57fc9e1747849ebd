-- Where a room stands, all at one moment.
--
-- KEYS  1 epoch, 2 state of the room, 3 room log, 4 shard head, 5 epochs
-- ARGV  1 guard
-- Returns {'epoch_changed'} or
--       {'room', head seq, id of the oldest entry that is kept or '', head of the shard log,
--        {each epoch there ever was, oldest first}, {epoch, its first seq in this room, …}}

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'epoch_changed'}
end
local oldest = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
local state, firsts, head = redis.call('HGETALL', KEYS[2]), {}, 0
for i = 1, #state, 2 do
  if state[i] == 'head' then
    head = tonumber(state[i + 1])
  else
    firsts[#firsts + 1] = state[i]
    firsts[#firsts + 1] = tonumber(state[i + 1])
  end
end
return {
  'room', head, oldest[1] and oldest[1][1] or '', tonumber(redis.call('GET', KEYS[4]) or '0'),
  redis.call('LRANGE', KEYS[5], 0, -1), firsts,
}
