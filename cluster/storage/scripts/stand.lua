-- Tell a node which log holds, and whether what it has seen is all in it. See cluster/delivery/epochs.py for the rules.
--
-- KEYS  1 epoch, 2 number of shards, 3 epochs, 4 what survived the end of each run, 5 reports, 6 nodes,
--       7… shard heads
-- ARGV  1 run_id of the Redis that runs this, 2 server_id, 3 an epoch to open where one must be,
--       4 number of shards that the node is set to, 5 for how long it waits for others (ms),
--       6 whom it waits for (separated by spaces), 7 the epoch it stood in ('' = it has seen nothing yet),
--       8… "<run_id> <k> …": the highest it saw of each shard in that epoch, run by run
-- Returns {'stands', epoch, run_id, number of shards, head, …} or {'waits', server_id, …}: ask again soon.

local call = redis.call
local run, me, candidate, seen_epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[7]

local function numbers(text)
  local found = {}
  for number in string.gmatch(text, '%d+') do
    found[#found + 1] = tonumber(number)
  end
  return found
end

local heads = {}
for i = 7, #KEYS do
  heads[i - 6] = tonumber(call('GET', KEYS[i]) or '0')
end

local function stands(epoch)
  local shards = call('GET', KEYS[2])
  if not shards then
    call('SET', KEYS[2], ARGV[4])
  end
  return {'stands', epoch, run, tonumber(shards or ARGV[4]), unpack(heads)}
end

local function open()
  call('SET', KEYS[1], candidate .. ' ' .. run)
  call('RPUSH', KEYS[3], candidate)
  call('DEL', KEYS[4], KEYS[5])
  return stands(candidate)
end

local epoch, last_run = string.match(call('GET', KEYS[1]) or '', '^(%S+) (%S+)$')
if not epoch then
  return open()
end

-- Did this node see anything of this epoch that is not in this log?
local function has_lost()
  if seen_epoch ~= epoch then
    return false
  end
  for i = 8, #ARGV do
    local seen_run, positions = string.match(ARGV[i], '^(%S+)(.*)$')
    local survived = heads
    if seen_run ~= last_run and seen_run ~= run then
      local ends = call('HGET', KEYS[4], seen_run)
      if not ends then
        return true
      end
      survived = numbers(ends)
    end
    for shard, k in ipairs(numbers(positions)) do
      if k > (survived[shard] or 0) then
        return true
      end
    end
  end
  return false
end

local lost = has_lost()
if last_run == run then
  return lost and open() or stands(epoch)
end

-- A new run: report, and see whether all have whom anybody waits for.
if call('HGET', KEYS[5], 'run') ~= run then
  call('DEL', KEYS[5])
  call('HSET', KEYS[5], 'run', run)
end
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local waits = ARGV[6]
if seen_epoch == '' then
  -- It knows nobody: it waits for whoever was there, as far as Redis remembers.
  local nodes = call('HGETALL', KEYS[6])
  for i = 1, #nodes, 2 do
    local stamp = tonumber(string.match(nodes[i + 1], '^%d+') or now)
    if now - stamp < 600000 then
      waits = waits .. ' ' .. nodes[i]
    end
  end
end
if lost then
  call('HSET', KEYS[5], 'lost', '1')
end
call('HSETNX', KEYS[5], 'until ' .. me, string.format('%d', now + tonumber(ARGV[5])))
call('HSET', KEYS[5], 'waits ' .. me, waits)

local reports, flat = {}, call('HGETALL', KEYS[5])
for i = 1, #flat, 2 do
  reports[flat[i]] = flat[i + 1]
end
local absent = {'waits'}
for field, value in pairs(reports) do
  local reporter = string.match(field, '^until (%S+)$')
  if reporter and tonumber(value) > now then
    for name in string.gmatch(reports['waits ' .. reporter] or '', '%S+') do
      if not reports['until ' .. name] then
        absent[#absent + 1] = name
      end
    end
  end
end
if #absent > 1 then
  return absent
end
if reports['lost'] then
  return open()
end
call('HSET', KEYS[4], last_run, table.concat(heads, ' '))
call('SET', KEYS[1], epoch .. ' ' .. run)
call('DEL', KEYS[5])
return stands(epoch)
