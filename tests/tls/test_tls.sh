#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# TLS, where Stint is built with it: who is let in, who is refused and what the
# message says, and work that goes through it. STINT: the program; SERVER: the
# server (redis-server). Row 61 of the catalogue, threat S25.
. "$(dirname "$0")/../system/lib.sh"
server=${SERVER:-redis-server}
unset STINT_TLS_CA STINT_TLS_CERT STINT_TLS_KEY STINT_TLS_NAME
cd "$tmp" || exit 1

# ---- Certificates ------------------------------------------------------------

authority() { # NAME
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.crt" \
        -days 30 -subj "/CN=Authority $1" 2>/dev/null || fail "openssl req"
}
certificate() { # NAME AUTHORITY SUBJECT-ALT-NAME [options]
    local name=$1 by=$2 san=$3
    shift 3
    [ $# -gt 0 ] || set -- -days 30
    openssl req -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.csr" \
        -subj "/CN=$name" 2>/dev/null &&
        openssl x509 -req -in "$name.csr" -CA "$by.crt" -CAkey "$by.key" \
            -CAcreateserial -out "$name.crt" "$@" \
            -extfile <(echo "subjectAltName=$san") 2>/dev/null ||
        fail "certificate $name"
}
authority ours
authority theirs
certificate good ours DNS:localhost,IP:127.0.0.1
certificate other ours DNS:redis.example
certificate expired ours DNS:localhost,IP:127.0.0.1 \
    -not_before 20200101000000Z -not_after 20200201000000Z
certificate client ours DNS:client
certificate stranger theirs DNS:client
mkdir cas && cp ours.crt cas && openssl rehash cas >/dev/null 2>&1

# ---- Servers -----------------------------------------------------------------

base=$((20000 + RANDOM % 10000))
next_port=$base
# serve NAME CERTIFICATE [options]: its port to $port, its pid to $served
serve() {
    local name=$1 cert=$2
    shift 2
    port=$next_port
    next_port=$((next_port + 1))
    serve_at "$name" "$cert" "$port" "$@"
}
serve_at() {
    local name=$1 cert=$2 at=$3
    shift 3
    mkdir -p "dir-$name"
    "$server" --port 0 --tls-port "$at" --bind 127.0.0.1 \
        --dir "$tmp/dir-$name" --save '' --appendonly yes \
        --tls-cert-file "$tmp/$cert.crt" --tls-key-file "$tmp/$cert.key" \
        --tls-ca-cert-file "$tmp/ours.crt" --tls-auth-clients no \
        "$@" >>"$name.log" 2>&1 &
    served=$!
    pids+=("$served")
    until_true 10 "$name listens" listens "$at"
}
listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
# refused WHAT PATTERN URL
refused() {
    exits "$1 is refused" 3 "$STINT" stats --url "$3"
    grep -Eq "$2" <<<"$errout" || fail "$1: no '$2' in '$errout'"
    ok "  and the message says so"
}

serve good good
good=$port
ca="tls_ca=$tmp/ours.crt"
exits "the right authority, by name" 0 \
    "$STINT" stats --url "rediss://localhost:$good?$ca"
exits "by address" 0 "$STINT" stats --url "rediss://127.0.0.1:$good/0?$ca"
exits "a directory of authorities" 0 \
    "$STINT" stats --url "rediss://localhost:$good?tls_ca=$tmp/cas"
exits "from the environment" 0 env STINT_TLS_CA="$tmp/ours.crt" \
    STINT_URL="rediss://localhost:$good" "$STINT" stats
refused "another authority" "certificate" \
    "rediss://localhost:$good?tls_ca=$tmp/theirs.crt"
contains "  naming the chain's fault" "refused" "$errout"
refused "the system's authorities" "certificate" "rediss://localhost:$good"
refused "a name that is not in it" "is for another name than redis.example" \
    "rediss://localhost:$good?$ca&tls_name=redis.example"
exits "no file of authorities" 2 \
    "$STINT" stats --url "rediss://localhost:$good?tls_ca=$tmp/none"
contains "  is named" "none: No such file" "$errout"
refused "plain redis:// to it" "" "redis://localhost:$good"

serve other other
refused "a certificate for another name" "is for another name than localhost" \
    "rediss://localhost:$port?$ca"
exits "unless that name is wanted" 0 \
    "$STINT" stats --url "rediss://localhost:$port?$ca&tls_name=redis.example"
serve expired expired
refused "an expired one" "expired" "rediss://localhost:$port?$ca"

# A plain server: never without TLS, and not for ever.
"$server" --port "$next_port" --bind 127.0.0.1 --dir "$tmp" --save '' \
    >plain.log 2>&1 &
pids+=("$!")
until_true 10 "a plain server listens" listens "$next_port"
refused "a plain server" "speak TLS" "rediss://localhost:$next_port?$ca"
equal "  nothing was sent in the clear" 0 \
    "$(timeout 5 "${server%server}cli" -p "$next_port" INFO commandstats | grep -c 'auth\|ping')"
next_port=$((next_port + 1))

# TLS 1.1 is too old.
openssl s_server -accept "$next_port" -cert good.crt -key good.key -tls1_1 \
    -cipher 'ALL:@SECLEVEL=0' -quiet >old.log 2>&1 &
pids+=("$!")
sleep 1
refused "TLS 1.1" "no TLS with Redis" "rediss://localhost:$next_port?$ca"
next_port=$((next_port + 1))

# ---- Certificates of clients ---------------------------------------------------

serve mutual good --tls-auth-clients yes
mutual="rediss://localhost:$port?$ca"
refused "no certificate where one is wanted" "wants a certificate of ours" \
    "$mutual"
exits "the right one" 0 \
    "$STINT" stats --url "$mutual&tls_cert=$tmp/client.crt&tls_key=$tmp/client.key"
exits "the right one from the environment" 0 env STINT_TLS_CERT="$tmp/client.crt" \
    STINT_TLS_KEY="$tmp/client.key" "$STINT" stats --url "$mutual"
refused "a stranger's" "alert|our TLS certificate was refused" \
    "$mutual&tls_cert=$tmp/stranger.crt&tls_key=$tmp/stranger.key"
exits "a key of another one" 2 \
    "$STINT" stats --url "$mutual&tls_cert=$tmp/client.crt&tls_key=$tmp/good.key"

# ---- Work ----------------------------------------------------------------------

serve work good --requirepass rosebud
work=$served
work_port=$port
echo rosebud >password
export STINT_URL="rediss://localhost:$port/2?$ca&password_file=$tmp/password"
# head -c limits what is printed: a run's output is bounded anyway.
cat >worker.json <<'END'
{"concurrency": 4, "tasks": {"big": {"exec": ["head", "-c", "60000", "/dev/zero"]},
 "sum": {"exec": ["sha256sum"]}}}
END
worker w
head -c 700000 /dev/zero | tr '\0' x >payload
{
    printf '{"function":"sum","args":["'
    cat payload
    printf '"]}\n'
    for _ in $(seq 200); do echo '{"function":"big"}'; done
} >tasks
"$STINT" queue-task --file tasks >ids 2>queue.log || fail "$(cat queue.log)"
exits "a task of 700 kB and 200 outputs of 60 kB pass" 0 \
    timeout 25 "$STINT" wait - --timeout 25 <ids
timeout 30 "$STINT" wait - <ids >/dev/null 2>&1 || fail "not all are COMPLETED"
ok "all are COMPLETED"
fsck_clean

# Another certificate meanwhile: the worker says so, and comes back.
kill_hard "$work"
serve_at work expired "$work_port" --requirepass rosebud
until_true 20 "the worker refuses an expired one" grep -q "expired" w.log
kill_hard "$served"
serve_at work good "$work_port" --requirepass rosebud
comes_back() {
    local id
    id=$("$STINT" queue-task big 2>/dev/null) &&
        "$STINT" wait "$id" --timeout 5 >/dev/null 2>&1
}
until_true 20 "and goes on with a good one" comes_back

# ---- A cluster, and sentinels ---------------------------------------------------

serve cluster good --cluster-enabled yes --tls-cluster yes \
    --tls-replication yes --cluster-announce-hostname localhost \
    --cluster-preferred-endpoint-type hostname
timeout 5 "${server%server}cli" -h localhost -p "$port" --tls --cacert ours.crt \
    CLUSTER ADDSLOTSRANGE 0 16383 >/dev/null || fail "slots"
cluster="rediss+cluster://localhost:$port?$ca"
cluster_works() {
    "$STINT" queue-task big --url "$cluster" >/dev/null 2>cluster-client.log
}
until_true 20 "rediss+cluster:// works" cluster_works
exits "by another authority it does not" 3 \
    "$STINT" stats --url "rediss+cluster://localhost:$port?tls_ca=$tmp/theirs.crt"

cat >sentinel.conf <<END
port 0
tls-port $next_port
bind 127.0.0.1
dir $tmp
tls-cert-file $tmp/good.crt
tls-key-file $tmp/good.key
tls-ca-cert-file $tmp/ours.crt
tls-auth-clients no
tls-replication yes
sentinel monitor orders 127.0.0.1 $good 1
END
"$server" sentinel.conf --sentinel >sentinel.log 2>&1 &
pids+=("$!")
until_true 10 "a sentinel listens" listens "$next_port"
exits "rediss+sentinel:// works" 0 \
    "$STINT" stats --url "rediss+sentinel://localhost:$next_port/orders?$ca"
exits "by another authority it does not" 3 "$STINT" stats \
    --url "rediss+sentinel://localhost:$next_port/orders?tls_ca=$tmp/theirs.crt"
passed
