for i=1,1000000 do
  local id=string.format("bc688778-0001-4000-8000-%012d",i)
  if i%1000~=0 then redis.call("SETEX","omni:result:"..id,86400,'{"task_id": "'..id..'", "result": {"status": "completed", "content": "'..string.rep("x",100)..'"}, "saved_at": 1763859213.5}') end
  redis.call("ZADD","omni:results:index",1763859213.6,id)
end
return redis.call("DBSIZE")
