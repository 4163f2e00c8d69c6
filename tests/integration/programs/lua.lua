-- SPDX-License-Identifier: MIT
-- Tables, strings, closures, coroutines, the collector, files, a child, and an exit.
local function fib(n) return n < 2 and 1 or fib(n - 1) + fib(n - 2) end
print(fib(18))
local items = {}
for i = 1, 2000 do items[i] = {number = i * 7919 % 2003, name = ("item %d"):format(i)} end
table.sort(items, function(a, b) return a.number < b.number end)
print(items[1].name, items[1000].name, #items)
local text = ("page fault touch "):rep(300)
print(#text:gsub("(%w+) (%w+)", "%2 %1"), select(2, text:gsub("fault", "%0s")))
local producer = coroutine.wrap(function() for i = 1, 100 do coroutine.yield(i, ("x"):rep(i)) end end)
local sum = 0
for i, s in producer do sum = sum + i * #s end
print(sum)
local freed = 0
for i = 1, 200 do setmetatable({}, {__gc = function() freed = freed + 1 end}) end
items = nil
collectgarbage()
print(freed, collectgarbage("count") > 10)
local out = assert(io.open("out.txt", "w"))
for i = 1, 500 do out:write(i, " ", ("y"):rep(i % 13), "\n") end
out:close()
local lines = 0
for line in io.lines("out.txt") do lines = lines + #line end
print(lines)
local pipe = io.popen("echo from a child; exit 4")
print(pipe:read("a"), pipe:close())
print(os.execute("kill -TERM $$"))
print(pcall(error, {code = 2}) == false, select(2, pcall(error, "thrown", 0)))
print(load("return 1 +"))
io.stderr:write("on the error stream\n")
os.exit(11, true)
