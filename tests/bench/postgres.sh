#!/bin/sh
# Keeps a PostgreSQL server in FOLDER/data for as long as standard input is open, then stops it and
# removes FOLDER: whoever holds the other end may be killed in any way, and nothing stays behind.
#
#   postgres.sh FOLDER BIN
#
# BIN has initdb and postgres. FOLDER exists, and has `settings` (appended to postgresql.conf) and
# `password` (of the superuser denier). Prints `ready`, or why not and ends with 1. As root, the
# server runs as the user postgres, who then owns FOLDER: initdb wants no root.
set -u
# Who stops it is the end of standard input, not a Ctrl-C that the whole terminal gets.
trap '' HUP INT TERM
folder=$1 bin=$2 log=$1/server.log said=$1/said
export LC_ALL=C
cd / || exit 1

# Words that run what follows as the server's user.
as_user=
if [ "$(id -u)" = 0 ]; then as_user="setpriv --reuid=postgres --regid=postgres --init-groups --"; fi

make() {
  if [ -n "$as_user" ]; then chown -R postgres:postgres "$folder" || return 1; fi
  $as_user "$bin/initdb" --pgdata="$folder/data" --username=denier --pwfile="$folder/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C --wal-segsize=64 &&
    cat "$folder/settings" >>"$folder/data/postgresql.conf" && mkfifo "$said"
} </dev/null >>"$log" 2>&1

# The server is a child of this shell, and says itself when it is ready.
server=
start() {
  $as_user "$bin/postgres" -D "$folder/data" </dev/null >"$said" 2>&1 &
  server=$!
  exec 3<"$said"
  while read -r line <&3; do
    echo "$line" >>"$log"
    case $line in *"database system is ready to accept connections"*)
      cat <&3 >>"$log" &
      return 0
      ;;
    esac
  done
  return 1
}

status=0
if make && start; then
  echo ready
  cat >/dev/null
else
  tail -n 20 "$log"
  status=1
fi
if [ -n "$server" ]; then
  # Nothing of it is wanted any more, a last checkpoint neither.
  kill -QUIT "$server" 2>/dev/null
  wait "$server"
fi
rm -rf "$folder"
exit $status
