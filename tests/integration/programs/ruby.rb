# SPDX-License-Identifier: MIT
# Threads, fibers, processes, the collector, files, signals, and an exit.
words = Hash.new(0)
x = 7
2000.times { x = (x * 16807) % 2147483647; words[%w[page fault touch evict walk][x % 5]] += x % 3 }
puts words.sort.inspect
queue = Queue.new
results = Array.new(4)
threads = 4.times.map do |i|
  Thread.new { sum = 0; while (n = queue.pop) != :end; sum += n; end; results[i] = sum }
end
1000.times { |i| queue << i }
4.times { queue << :end }
threads.each(&:join)
puts results.sum
fiber = Fiber.new { 5.times { |i| Fiber.yield i * i }; :done }
puts 6.times.map { fiber.resume }.inspect
GC.start
puts ('a'..'zz').map(&:succ).each_slice(50).map(&:last).join(' ')
File.write('out.txt', (1..500).map { |i| 'z' * (i % 19) }.join("\n"))
puts File.foreach('out.txt').sum(&:size)
puts IO.popen(['sort', '-r'], 'r+') { |io| io.puts 'a', 'c', 'b'; io.close_write; io.read }.inspect
pid = fork { words.clear; exit! words.size + 6 }
Process.wait(pid)
puts $?.exitstatus, words.size
puts `echo child; exit 2`, $?.exitstatus
system('kill -KILL $$')
puts $?.termsig
caught = Queue.new
trap('USR1') { Thread.new { caught << :caught } }
Process.kill('USR1', Process.pid)
puts caught.pop
begin
  Integer('none')
rescue ArgumentError => e
  puts e.message
end
reader, writer = IO.pipe
sleeper = Thread.new { reader.read }
writer.write('through a pipe')
writer.close
puts sleeper.value
warn 'on the error stream'
exit 9
