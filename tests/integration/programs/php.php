<?php
// SPDX-License-Identifier: MIT
// Arrays, strings, files, a child, generators, and an exit.
$items = [];
for ($i = 0; $i < 3000; $i++)
    $items["key " . ($i * 7919 % 3001)] = ['n' => $i, 's' => str_repeat('x', $i % 17)];
ksort($items);
echo count($items), ' ', array_key_first($items), ' ', array_sum(array_column($items, 'n')), "\n";
echo md5(serialize($items)), ' ', strlen(json_encode($items)), "\n";
$text = str_repeat("page fault touch ", 400);
echo strlen(preg_replace('/(\w+) (\w+)/', '$2-$1', $text)), "\n";
file_put_contents('out.txt', implode("\n", range(1, 900)));
echo filesize('out.txt'), ' ', array_sum(file('out.txt')), "\n";
function squares($n) { for ($i = 0; $i < $n; $i++) yield $i => $i * $i; }
foreach (squares(200) as $i => $square)
    if ($i % 50 == 7)
        echo "$i:$square ";
echo shell_exec('echo from a child'), "\n";
exec('exit 4', $lines, $status);
echo $status, "\n";
$process = proc_open(['sort', '-r'], [['pipe', 'r'], ['pipe', 'w']], $pipes);
fwrite($pipes[0], "a\nc\nb\n");
fclose($pipes[0]);
echo stream_get_contents($pipes[1]), proc_close($process), "\n";
try { intdiv(1, 0); } catch (DivisionByZeroError $e) { echo $e->getMessage(), "\n"; }
fwrite(STDERR, "on the error stream\n");
exit(12);
