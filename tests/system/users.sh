# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# With STINT_TEST_ACL=1 lib.sh sources this: the embedded Redis of the test, and
# clusters of deploy/cluster, get the users of deploy/users.acl, and each command
# is given the user of its role. The default user stays on, for the test's own
# redis-cli, and for what starts the embedded Redis and so loads the library.
#
# All system tests so, by hand:
#   cd build/plain && STINT_TEST_ACL=1 ctest -L system -E 'acl|embedded|examples'
# Those that start another Redis of their own (bench, durability, evalsha,
# replica) use it as the default user; examples looks for files beside the
# program.
: "${tmp:?lib.sh goes first}"

acl_dir=$tmp/acl
acl_server=$(command -v redis-server) || acl_server=
"$here/../../deploy/users" "$acl_dir" || exit 1
sed -i 's/^user default .*/user default on nopass ~* \&* +@all/' \
    "$acl_dir/users.acl"
mkdir "$acl_dir/bin"

# Only the embedded Redis is started with this argument.
cat >"$acl_dir/bin/redis-server" <<END
#!/bin/sh
[ "\$*" != redis.conf ] || set -- "\$@" --aclfile "$acl_dir/users.acl"
exec "$acl_server" "\$@"
END

cat >"$acl_dir/bin/stint" <<END
#!/usr/bin/env bash
real=$STINT passwords=$acl_dir/passwords
case \${1:-} in
worker) user=stint-worker ;;
broker) user=stint-broker ;;
stats | workers) user=stint-monitor ;;
disable | resume | terminate | kill | group | fsck) user=stint-admin ;;
library) user=stint-deploy ;;
queue-task)
    user=stint-client
    case " \$* " in
    *" --durability "[23]*) user=stint-durable ;;
    esac
    ;;
task-status | list | wait | why | graph | stop-task | requeue-task | \\
    enable-task | disable-task | delete-task) user=stint-client ;;
*) exec "\$real" "\$@" ;;
esac
case " \$* " in
*" --url "* | *" --help "* | *" -h "*) exec "\$real" "\$@" ;;
esac
who=\$user:\$(awk -v u="\$user" '\$1 == u { print \$2 }' "\$passwords")
case \${STINT_URL:-} in
'')
    "\$real" embedded status >/dev/null 2>&1 || "\$real" stats >/dev/null 2>&1
    socket=\${STINT_HOME:?}/redis/redis.sock
    [ -S "\$socket" ] || exec "\$real" "\$@"
    STINT_URL=unix://\$who@\$socket
    ;;
redis+cluster://*@*) ;;
redis+cluster://*) STINT_URL=redis+cluster://\$who@\${STINT_URL#*//} ;;
esac
export STINT_URL
exec "\$real" "\$@"
END
chmod +x "$acl_dir/bin/redis-server" "$acl_dir/bin/stint"
STINT=$acl_dir/bin/stint
export PATH=$acl_dir/bin:$PATH STINT
cluster_options=(--aclfile "$acl_dir/users.acl")
load_library() {
    "$STINT" library load >/dev/null 2>&1 # a node may be away
}
