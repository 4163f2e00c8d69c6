# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # sourced by run_program.sh, where the variables are set
#
# Databases, and servers with their clients.

need_sqlite3() { need sqlite3; }
job_sqlite3() {
    traced sqlite3 data.db <"$here/sqlite3.sql"
    sqlite3 data.db .dump >dump.sql
    rm -f data.db
    traced sqlite3 :memory: 'select * from no_such_table'
}

need_sqlite3_files() { need sqlite3; }
job_sqlite3_files() {
    traced sqlite3 data.db 'PRAGMA journal_mode = WAL; PRAGMA cache_size = 20; PRAGMA threads = 3;
        CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, w REAL);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
            INSERT INTO t SELECT i, hex(i * 7919 % 1501) || printf("%.40c", "x"), i / 7.0 FROM n;
        CREATE INDEX v ON t (v);
        PRAGMA mmap_size = 1000000;
        SELECT count(*), min(v), max(v), round(sum(w), 3) FROM t;'
    traced sqlite3 -readonly data.db "SELECT k, v FROM t ORDER BY v DESC LIMIT 5;
        SELECT json_group_array(k) FROM (SELECT k FROM t WHERE v LIKE '3%4%' LIMIT 20);
        DELETE FROM t;"
    traced sqlite3 data.db 'BEGIN; DELETE FROM t WHERE k % 3 = 0; ROLLBACK; DELETE FROM t WHERE k % 5 = 0; VACUUM;
        PRAGMA integrity_check; SELECT total_changes();' '.dump t'
    rm -f data.db*
}

# Both ways round for all servers: the server is traced, then its client.

need_redis() { need redis-server redis-cli seq; }
redis_commands() {
    seq 1 80 | sed 's/.*/SET key& value&/; 5~5s/$/\nAPPEND key1 more/; 7~7s/$/\nLPUSH list a b c/'
    printf '%s\n' 'GET key77' 'STRLEN key1' 'LLEN list' 'SORT list ALPHA' 'ZADD z 2 b 1 a 3 c' 'ZRANGE z 0 -1' \
        'HSET h f 1 g 2' 'HGETALL h' 'EVAL "return redis.call(\"get\", KEYS[1])" 1 key5' 'NOSUCH command' DBSIZE
}
job_redis() {
    redis_commands >commands.txt
    local options=(--port 0 --unixsocket ./socket --save '' --appendonly no --daemonize no --logfile ''
        --loglevel warning)
    start redis-server "${options[@]}" >"$work/log" 2>&1
    until_true redis-cli -s ./socket PING
    redis-cli -s ./socket <commands.txt
    finish TERM
    start_native redis-server "${options[@]}" >"$work/log" 2>&1
    until_true redis-cli -s ./socket PING
    traced redis-cli -s ./socket <commands.txt
    traced redis-cli -s ./socket -r 20 INCR counter
    finish TERM
    traced redis-cli -s ./socket GET key1
    rm -f socket
}

need_memcached() { need memcached nc; }
job_memcached() {
    local options=(-s ./socket -t 4 -m 8)
    [ "$(id -u)" != 0 ] || options+=(-u root)
    { printf 'set key 0 0 5\r\nvalue\r\n'
      for ((i = 0; i < 60; i++)); do printf 'set k%d 0 0 3\r\nabc\r\nappend k%d 0 0 2\r\nde\r\n' "$i" "$i"; done
      printf 'get key\r\nget k7 k59\r\nincr key 1\r\ndelete key\r\nget key\r\nquit\r\n'; } >commands.txt
    start memcached "${options[@]}"
    until_true nc -U ./socket <<<quit
    nc -U ./socket <commands.txt
    finish TERM
    start_native memcached "${options[@]}"
    until_true nc -U ./socket <<<quit
    traced_without_heap nc -U ./socket <commands.txt
    finish TERM
    rm -f socket
}

need_socat() { need socat; }
job_socat() {
    text 100 >text
    start socat UNIX-LISTEN:./socket,fork SYSTEM:'tr a-z A-Z'
    until_true socat -u OPEN:/dev/null UNIX-CONNECT:./socket
    socat -t 20 - UNIX-CONNECT:./socket <text
    socat -t 20 - UNIX-CONNECT:./socket <<<'once more'
    finish TERM
    rm -f socket
    start_native socat UNIX-LISTEN:./socket,fork SYSTEM:'tr a-z A-Z'
    until_true socat -u OPEN:/dev/null UNIX-CONNECT:./socket
    traced socat -t 20 - UNIX-CONNECT:./socket <text
    finish TERM
    rm -f socket
    traced socat -u OPEN:no_such_file - 2>/dev/null # has times
}

# A server that says on which port it listens.
need_http() { need /usr/bin/python3 curl awk; }
job_http() {
    text 900 >page.txt
    port=
    start /usr/bin/python3 -S -B "$here/serve_http.py" "$work/port" 2>/dev/null
    until_true test -s "$work/port"
    port=$(cat "$work/port")
    for path in page.txt '' no_such_page post; do
        curl -q -s -S -f --noproxy '*' -d words "http://127.0.0.1:$port/$path"
        curl -q -s -S --noproxy '*' "http://127.0.0.1:$port/$path"
    done
    finish TERM
    rm "$work/port"
    start_native /usr/bin/python3 -S -B "$here/serve_http.py" "$work/port" 2>/dev/null
    until_true test -s "$work/port"
    port=$(cat "$work/port")
    traced curl -q -s -S --noproxy '*' "http://127.0.0.1:$port/page.txt"
    traced curl -q -s -S --noproxy '*' -d words "http://127.0.0.1:$port/post"
    traced curl -q -s -S -Z --noproxy '*' -o 1 "http://127.0.0.1:$port/page.txt" -o 2 "http://127.0.0.1:$port/" \
        2>/dev/null # how fast
    traced curl -q -s -f --noproxy '*' "http://127.0.0.1:$port/no_such_page"
    finish TERM
    rm "$work/port"
}

need_wget() { need /usr/bin/python3 wget awk; }
job_wget() {
    text 900 >page.txt
    start_native /usr/bin/python3 -S -B "$here/serve_http.py" "$work/port" 2>/dev/null
    until_true test -s "$work/port"
    port=$(cat "$work/port")
    traced wget --no-config -q -O copy.txt "http://127.0.0.1:$port/page.txt"
    traced wget --no-config -q -O - --post-data=words "http://127.0.0.1:$port/post"
    traced wget --no-config -q -O - "http://127.0.0.1:$port/no_such_page"
    finish TERM
    rm "$work/port"
}

need_rsync() { need rsync diff find; }
job_rsync() {
    files
    printf '[all]\npath = %s\nuse chroot = no\nread only = no\n' "$PWD" >rsyncd.conf
    mkdir out
    traced rsync -a --stats --no-human-readable tree/ out/ >"$work/stats"
    grep 'Number of' "$work/stats"
    diff -r tree out
    echo more >>tree/folder1/file1
    touch -d 2001-02-03 tree/folder1/file1
    traced rsync -a -c -i --delete --no-times tree/ out/
    traced rsync -a no_such_folder/ out/ 2>/dev/null
    rm -rf out
}

# The server refuses to run as root; then it is nobody's. Debian has its programs in a folder of their own.
postgres_programs() {
    local folders=(/usr/lib/postgresql/*/bin)
    PATH=$PATH:${folders[-1]}
    psql=$(command -v "${folders[-1]}/psql" psql | head -n 1)
}
need_postgres() {
    postgres_programs
    need psql initdb postgres setpriv
}
as_nobody() {
    [ "$(id -u)" != 0 ] || set -- setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
    exec "$@"
}
job_postgres() {
    local data=$work/data sockets=$work/sockets
    rm -rf "$data" "$sockets"
    mkdir "$data" "$sockets"
    if [ "$(id -u)" = 0 ]; then
        chmod 711 "$work"
        chown 65534:65534 "$data" "$sockets"
    fi
    (cd / && as_nobody initdb -D "$data" -U owner -A trust --no-sync --locale=C) >"$work/initdb" 2>&1
    # as_nobody ends in an exec: the process that is started is the server
    start_native as_nobody postgres -D "$data" -c listen_addresses= -k "$sockets" -F -c max_connections=5 \
        >"$work/log" 2>&1
    until_true "$psql" -X -q -h "$sockets" -U owner -d postgres -c 'SELECT 1'
    traced "$psql" -X -q -h "$sockets" -U owner -d postgres <<'END'
CREATE TABLE t (k integer PRIMARY KEY, v text, w numeric);
INSERT INTO t SELECT i, md5(i::text), i / 7.0 FROM generate_series(1, 2000) AS i;
SELECT k % 7 AS class, count(*), round(sum(w), 3), min(v) FROM t GROUP BY 1 ORDER BY 1;
\d t
COPY (SELECT * FROM t WHERE k < 40) TO STDOUT WITH CSV;
SELECT no_such_column FROM t;
\o out.txt
SELECT * FROM t ORDER BY v;
END
    traced "$psql" -X -q -h "$sockets" -U owner -d postgres -v ON_ERROR_STOP=1 -c 'SELECT 1 / 0'
    finish TERM
}

# A master and its workers, which give up root's rights, and replace one another.
need_nginx() { need nginx curl awk; }
job_nginx() {
    text 900 >page.txt
    mkdir "$work/nginx"
    cat >nginx.conf <<END
daemon off; worker_processes 2; pid $work/nginx/pid; error_log $work/nginx/log;
events {}
http {
    access_log off;
    client_body_temp_path $work/nginx/1; proxy_temp_path $work/nginx/2; fastcgi_temp_path $work/nginx/3;
    uwsgi_temp_path $work/nginx/4; scgi_temp_path $work/nginx/5;
    server { listen unix:$work/nginx/socket; root $PWD; gzip on; gzip_types *; }
}
END
    chmod 755 "$work" . && chmod 644 page.txt
    start nginx -c "$PWD/nginx.conf" 2>/dev/null
    get() { curl -q -s -S -f --unix-socket "$work/nginx/socket" "http://localhost/$1" "${@:2}"; }
    until_true get page.txt
    get page.txt --compressed
    get no_such_page
    kill -s HUP "$(cat "$work/nginx/pid")"
    sleep 0.3
    until_true get page.txt
    get page.txt -r 100-300
    kill -s QUIT "$(cat "$work/nginx/pid")"
    { wait "$server"; } 2>/dev/null
    echo "nginx: $?" >>"$place/statuses"
    trap - EXIT
    rm -rf "$work/nginx" # and begin anew in the next run
}

# Not registered: it waits for ever with __WALL, which sees the catcher.
need_strace() { need strace; }
job_strace() {
    traced strace -f -e trace=openat,write -o "$work/calls" sh -c 'echo from a child; exit 3'
    grep -c 'write(1, "from a child' "$work/calls"
    traced strace -c -o "$work/counts" -e trace=execve true
}
