-- What a node must know before it tails: made once by whichever node comes first.
--
-- KEYS  1 epoch, 2 number of shards, 3… shard heads
-- ARGV  1 an epoch to begin with, 2 the number of shards that this node is configured for
-- Returns {epoch, shards, head, …}

redis.call('SET', KEYS[1], ARGV[1], 'NX')
redis.call('SET', KEYS[2], ARGV[2], 'NX')
local answer = {redis.call('GET', KEYS[1]), tonumber(redis.call('GET', KEYS[2]))}
for i = 3, #KEYS do
  answer[i] = tonumber(redis.call('GET', KEYS[i]) or '0')
end
return answer
