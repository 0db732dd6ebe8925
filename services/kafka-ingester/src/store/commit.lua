-- Stores the offset after a batch of one partition, when every shard has applied its part. This is for a Cluster.
-- KEYS: 1 offsets
-- ARGV: 1 partition   2 owner's epoch   3 first offset of the batch   4 offset after it   5 messages applied   6 dead letters
--       7 bad messages in a row   8 witnesses
-- Returns {'fenced', epoch of the owner} | {'gap', stored offset} | {'applied', offset, applied, dead} of all time.
local partition = ARGV[1]
local state = redis.call('HMGET', KEYS[1], partition, partition .. ':epoch', partition .. ':applied', partition .. ':dead')
if not state[1] or state[2] ~= ARGV[2] then return { 'fenced', state[2] or '' } end
local stored, first, after = tonumber(state[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
if not stored then return { 'refused', '0', 'ERR field ' .. partition .. ' is not an offset', KEYS[1] } end
if stored ~= first and stored < after then return { 'gap', state[1] } end
local function count(text) return tonumber(text or 0) or 0 end
local applied, dead = count(state[3]), count(state[4])
-- If an earlier call stored the offset, this write is what WAIT waits for.
redis.call('HSET', KEYS[1], partition .. ':witnesses', ARGV[8])
if stored >= after then return { 'applied', state[1], applied, dead } end
applied, dead = applied + tonumber(ARGV[5]), dead + tonumber(ARGV[6])
redis.call('HSET', KEYS[1], partition, ARGV[4], partition .. ':applied', applied, partition .. ':dead', dead,
  partition .. ':bad', ARGV[7])
return { 'applied', ARGV[4], applied, dead }
