#!/usr/bin/env bash
# A real, small Slurm cluster on one Debian 12 machine, for integration tests:
# sshd (login node) + munge + slurmctld + N virtual slurmd, optionally
# MariaDB + slurmdbd; two users with a key each.  Everything listens on 127.0.0.0/8 and keeps its files
# under one state directory.  Needs root.  No systemd, no containers.
#
#   cluster.sh up      install what is missing, configure, start, wait until ready
#   cluster.sh down    cancel jobs and stop the processes that `up` started
#   cluster.sh status  exit 0 only when every part answers
#   cluster.sh stop X  stop one part named by status (an outage; `up` brings it back)
#   cluster.sh log     the file in which sshd counts logins and commands
#   cluster.sh env     shell exports a test harness can eval
#   cluster.sh clean   down, then remove the state directory and the test user
#
# Settings (environment):
#   CLUSTER_STATE      state directory              (/tmp/orch-testbed)
#   CLUSTER_USER       unprivileged account, the second is the same with 2 after it  (hpcuser)
#   CLUSTER_SSH_PORT   login node port, 127.0.0.1   (2222)
#   CLUSTER_BASE_PORT  +0 slurmctld, +1 slurmdbd, +2 mariadb, +11.. slurmd (16800)
#   CLUSTER_NODES      virtual compute nodes        (3)
#   CLUSTER_NODE_CPUS  CPUs that each one claims    (4)
#   CLUSTER_NODE_MEM   MiB that each one claims     (4000)
#   CLUSTER_ACCT       none | dbd                   (dbd: sacct, accounts and QOS work)
#   CLUSTER_MPI        1: install openmpi-bin       (1)
#   CLUSTER_MODULES    lmod | environment-modules | none  (lmod)
#   CLUSTER_PACKAGES   more Debian packages to install    ()
set -Eeuo pipefail
umask 022
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2154
trap 'rc=$?; echo "cluster.sh: line $LINENO: \"$BASH_COMMAND\" failed ($rc)" >&2' ERR

S=$(realpath -m "${CLUSTER_STATE:-/tmp/orch-testbed}")
# what `up` was given holds for the later calls, unless the environment says otherwise
if [ -r "$S/settings" ]; then
    while IFS='=' read -r k v; do [ -z "$k" ] || [ -n "${!k+set}" ] || printf -v "$k" %s "$v"; done <"$S/settings"
fi
U=${CLUSTER_USER:-hpcuser}
USERS=("$U" "${U}2")
SSH_PORT=${CLUSTER_SSH_PORT:-2222}
BASE=${CLUSTER_BASE_PORT:-16800}
NODES=${CLUSTER_NODES:-3}
NCPU=${CLUSTER_NODE_CPUS:-4}
NMEM=${CLUSTER_NODE_MEM:-4000}
ACCT=${CLUSTER_ACCT:-dbd}
MPI=${CLUSTER_MPI:-1}
MODULES=${CLUSTER_MODULES:-lmod}

CTLD_PORT=$BASE DBD_PORT=$((BASE + 1)) SQL_PORT=$((BASE + 2))
NODE_PREFIX=hpcnode
HOST=$(hostname -s)
home_of() { echo "$S/home/$1"; }
key_of() { [ "$1" = "${USERS[0]}" ] && echo "$S/keys/id_ed25519" || echo "$S/keys/id_ed25519-$1"; }
export SLURM_CONF=$S/etc/slurm.conf

say() { printf '[cluster %4ss] %s\n' "$SECONDS" "$*"; }
die() { printf 'cluster.sh: %s\n' "$*" >&2; exit 1; }
node() { printf '%s%d' "$NODE_PREFIX" "$1"; }
node_ssh() { printf '127.0.1.%d' $((10 + $1)); } # its sshd listens here, on port 22
GECOS='test HPC user of cluster.sh'
# each node has a host name of its own where the kernel lets us (CAP_SYS_ADMIN)
if unshare --uts true 2>/dev/null; then UTS=1; else UTS=0; fi
on_node() { # on_node I NAME COMMAND...: start it under that node's host name
    local i=$1 name=$2; shift 2
    if [ $UTS = 1 ]; then set -- unshare --uts sh -c 'hostname "$0" && exec "$@"' "$(node "$i")" "$@"; fi
    start "$name" "$@"
}
have() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# --- processes: a pid file holds "pid starttime", so a reused pid is never hit

starttime() { # field 22 of /proc/PID/stat (the command name may hold blanks); fails for a zombie
    local s; s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    s=${s##*) }
    # shellcheck disable=SC2086
    set -- $s
    [ "$1" != Z ] && echo "${20}"
}
alive() {
    local pid t
    [ -s "$S/pids/$1" ] && read -r pid t <"$S/pids/$1" && [ "$(starttime "$pid")" = "$t" ]
}
pid_of() { local pid _; read -r pid _ <"$S/pids/$1"; echo "$pid"; }

# start NAME COMMAND...: in the background, in its own session, unless it runs
start() {
    local name=$1 pid; shift
    if alive "$name"; then return 0; fi
    # env -i: the daemons must not hand the caller's environment on to jobs
    setsid env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LC_ALL=C.UTF-8 SLURM_CONF="$SLURM_CONF" "$@" </dev/null >>"$S/log/$name.out" 2>&1 9>&- &
    pid=$!
    disown "$pid"
    echo "$pid $(starttime "$pid")" >"$S/pids/$name"
}

descendants() { # every process below PID, deepest last
    local p
    for p in $(cat /proc/"$1"/task/*/children 2>/dev/null); do echo "$p"; descendants "$p"; done
}
stop_pids() { # TERM, up to 5 s of grace, then KILL; only the pids given
    local p i left
    [ $# -gt 0 ] || return 0
    kill -TERM "$@" 2>/dev/null || true
    for ((i = 0; i < 50; i++)); do
        left=(); for p in "$@"; do ! starttime "$p" >/dev/null || left+=("$p"); done
        [ ${#left[@]} -gt 0 ] || return 0
        sleep 0.1
    done
    kill -KILL "${left[@]}" 2>/dev/null || true
}
stop() { # stop NAME [tree]
    local pid kids=()
    if alive "$1"; then
        pid=$(pid_of "$1")
        [ "${2:-}" != tree ] || mapfile -t kids < <(descendants "$pid")
        stop_pids "$pid" "${kids[@]}"
    fi
    rm -f "$S/pids/$1"
}

wait_for() { # wait_for SECONDS WHAT COMMAND...
    local end=$((SECONDS + $1)) what=$2; shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { tail -n 20 "$S"/log/*.log "$S"/log/*.out >&2 2>/dev/null || true; die "not ready in time: $what (logs: $S/log)"; }
        sleep 0.1
    done
}

# --- install -----------------------------------------------------------------

install_packages() {
    local want=(openssh-server openssh-client munge slurmctld slurmd slurm-client rsync procps iproute2)
    local missing=() p guard=
    [ "$ACCT" = none ] || want+=(slurmdbd mariadb-server-core mariadb-client-core)
    [ "$MPI" = 0 ] || want+=(openmpi-bin)
    [ "$MODULES" = none ] || want+=("$MODULES")
    # shellcheck disable=SC2206
    want+=(${CLUSTER_PACKAGES:-})
    for p in "${want[@]}"; do have "$p" || missing+=("$p"); done
    if [ ${#missing[@]} -eq 0 ]; then return 0; fi
    say "installing: ${missing[*]}"
    # A package's own start of its daemon (sshd on port 22 of every address!)
    # is refused while this file exists; Docker-like images ship one for good.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        guard=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' >$guard; chmod 755 $guard
    fi
    { apt-get -o DPkg::Lock::Timeout=600 -qq update &&
        apt-get -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
            -qq -y install --no-install-recommends "${missing[@]}"; } >>"$S/log/apt.log" 2>&1 ||
        { [ -z "$guard" ] || rm -f $guard; tail -n 20 "$S/log/apt.log" >&2; die "apt-get failed, see $S/log/apt.log"; }
    [ -z "$guard" ] || rm -f $guard
}

pmix_link() { # for srun --mpi=pmix: Slurm opens libpmix.so, a name that only libpmix-dev has
    local lib; lib=/usr/lib/$(uname -m)-linux-gnu/pmix2/lib
    [ ! -e "$lib/libpmix.so.2" ] || [ -e "$lib/libpmix.so" ] || ln -s libpmix.so.2 "$lib/libpmix.so"
}

# --- configure ---------------------------------------------------------------

# Our lines go first, so that they win: with NoInAddrAny the Slurm daemons bind
# to what the host's own name resolves to, and that has to be 127.0.0.1 (Debian's
# installer writes 127.0.1.1, Docker a 172.17 address, some machines nothing).
hosts_file() { # hosts_file add|remove; in place, for it may be a bind mount
    local begin="# BEGIN cluster.sh $S" end="# END cluster.sh $S" old new i
    [ -e /etc/hosts ] || echo "127.0.0.1 localhost" >/etc/hosts
    old=$(sed "\|^$begin\$|,\|^$end\$|d" /etc/hosts)
    new=$old
    if [ "$1" = add ]; then
        new="$begin"$'\n'"127.0.0.1 localhost $HOST"
        for ((i = 1; i <= NODES; i++)); do new+=" $(node $i)"; done
        new+=$'\n'"$end"$'\n'"$old"
    fi
    [ "$new" = "$(cat /etc/hosts)" ] || printf '%s\n' "$new" >/etc/hosts
}

# The C library resolves no host name for Slurm where there are loopback addresses only: then a harmless one is added.
EXTRA=10.255.255.254/32
extra_address() { # extra_address add|del
    if [ "$1" = add ]; then
        ! ip -4 -o addr show scope global | grep -q . || return 0
        ip addr add $EXTRA dev lo 2>/dev/null && touch "$S/extra-address"
    elif [ -e "$S/extra-address" ]; then
        ip addr del $EXTRA dev lo 2>/dev/null; rm -f "$S/extra-address"
    fi
    return 0
}

ours() { [ "$(getent passwd "$1" | cut -d: -f5)" = "$GECOS" ]; }

make_user() { # make_user NAME
    local i H key
    H=$(home_of "$1") key=$(key_of "$1")
    local U=$1 # not before: key_of compares with the first user's name
    if ! id "$U" >/dev/null 2>&1; then
        useradd --home-dir "$H" --no-create-home --shell /bin/bash --comment "$GECOS" "$U"
    elif [ "$(getent passwd "$U" | cut -d: -f6)" != "$H" ]; then
        usermod --home "$H" "$U"
    fi
    # '*' forbids a password but, unlike '!', sshd without PAM does not take the account as locked
    usermod -p '*' "$U"
    if [ ! -d "$H" ]; then
        mkdir -p "$S/home"
        cp -rT /etc/skel "$H"
    fi
    mkdir -p "$H/.ssh"
    [ -f "$key" ] || ssh-keygen -q -t ed25519 -N '' -C "cluster-test-$U" -f "$key"
    [ -f "$S/keys/host_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C cluster-host -f "$S/keys/host_ed25519"
    # The same key opens every node from inside the cluster, as on real sites
    cp "$key.pub" "$H/.ssh/id_ed25519.pub"
    cp "$key" "$H/.ssh/id_ed25519"
    # keys that somebody added are kept
    grep -qxFf "$key.pub" "$H/.ssh/authorized_keys" 2>/dev/null || cat "$key.pub" >>"$H/.ssh/authorized_keys"
    cp "$S/keys/known_hosts" "$H/.ssh/known_hosts"
    {
        printf 'Host localhost 127.0.0.1\n  Port %s\n' "$SSH_PORT"
        for ((i = 1; i <= NODES; i++)); do
            printf 'Host %s\n  HostName %s\n  HostKeyAlias %s\n' "$(node $i)" "$(node_ssh $i)" "$(node $i)"
        done
    } >"$H/.ssh/config"
    mkdir -p "$H/.openmpi"
    # two cores play many; and nothing may leave the loopback interface
    printf '%s\n' rmaps_base_oversubscribe=1 hwloc_base_binding_policy=none mpi_yield_when_idle=1 \
        btl_tcp_if_include=lo oob_tcp_if_include=lo btl=self,vader,tcp pml=ob1 >"$H/.openmpi/mca-params.conf"
    chown -R "$U:" "$H"
    chmod 700 "$H" "$H/.ssh"
    chmod 600 "$H/.ssh/"*
}

write_known_hosts() {
    local key i
    key=$(cut -d' ' -f1,2 "$S/keys/host_ed25519.pub")
    echo "[127.0.0.1]:$SSH_PORT,[localhost]:$SSH_PORT $key"
    for ((i = 1; i <= NODES; i++)); do echo "$(node $i),$(node_ssh $i) $key"; done
}

write_config() {
    local i host
    [ ${#S} -le 60 ] || die "CLUSTER_STATE is too long for Unix sockets below it: $S"
    mkdir -p "$S"/{etc,keys,log,pids,run,spool,home,modulefiles,sql,ctld,munge/{run,log,lib}}
    chmod 755 "$S"
    setpriv --reuid=munge --clear-groups test -x "$S" || die "CLUSTER_STATE must be reachable for every user: $S"

    [ -s "$S/munge/key" ] || (umask 077; head -c 1024 /dev/urandom >"$S/munge/key")
    chmod 400 "$S/munge/key"
    chown -R munge: "$S/munge"; chmod 755 "$S/munge" "$S/munge/run"; chmod 700 "$S"/munge/{log,lib}

    [ -f "$S/keys/host_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C cluster-host -f "$S/keys/host_ed25519"
    write_known_hosts >"$S/keys/known_hosts"
    local user
    for user in "${USERS[@]}"; do make_user "$user"; done

    mkdir -p /run/sshd; chmod 755 /run/sshd
    cat >"$S/etc/sshd_config" <<EOF
AddressFamily inet
HostKey $S/keys/host_ed25519
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowUsers ${USERS[*]}
LogLevel VERBOSE
UseDNS no
PrintMotd no
X11Forwarding no
MaxStartups 200
MaxSessions 10
AcceptEnv LANG LC_*
SetEnv SLURM_CONF=$SLURM_CONF
Subsystem sftp /usr/lib/openssh/sftp-server
EOF

    cat >"$S/etc/ssh_config" <<EOF
Host hpc 127.0.0.1 localhost
  HostName 127.0.0.1
  Port $SSH_PORT
  User $U
  IdentityFile $S/keys/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile $S/keys/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
EOF

    {
        cat <<EOF
ClusterName=testhpc
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=$CTLD_PORT
SlurmUser=slurm
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$S/munge/run/munge.socket.2
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$S/ctld
SlurmdSpoolDir=$S/spool/%n
SlurmctldPidFile=$S/run/slurmctld.pid
SlurmdPidFile=$S/run/slurmd-%n.pid
SlurmctldLogFile=$S/log/slurmctld.log
SlurmdLogFile=$S/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=1
SlurmdParameters=config_overrides
EnforcePartLimits=ALL
ReturnToService=2
MinJobAge=86400
MaxJobCount=20000
MaxArraySize=2001
KillWait=3
Waittime=5
CompleteWait=0
SlurmctldTimeout=30
SlurmdTimeout=300
EpilogMsgTime=1
MailProg=/bin/true
PropagateResourceLimitsExcept=MEMLOCK,NOFILE
JobCompType=jobcomp/filetxt
JobCompLoc=$S/log/jobcomp.txt
EOF
        if [ "$ACCT" = none ]; then
            echo 'JobAcctGatherType=jobacct_gather/none'
            echo 'AccountingStorageType=accounting_storage/none'
        else
            cat <<EOF
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$DBD_PORT
AccountingStoragePass=$S/munge/run/munge.socket.2
AccountingStorageEnforce=associations,limits,qos
PriorityType=priority/multifactor
PriorityWeightQOS=1000
EOF
        fi
        for ((i = 1; i <= NODES; i++)); do
            host=$HOST; [ $UTS = 0 ] || host=$(node $i)
            echo "NodeName=$(node $i) NodeHostname=$host NodeAddr=127.0.0.1 Port=$((BASE + 10 + i)) CPUs=$NCPU RealMemory=$NMEM State=UNKNOWN"
        done
        echo "PartitionName=main Nodes=ALL Default=YES MaxTime=2-00:00:00 DefaultTime=10 State=UP"
        echo "PartitionName=debug Nodes=$(node 1) MaxTime=30 DefaultTime=10 State=UP"
    } >"$S/etc/slurm.conf"

    # for a client without SLURM_CONF, which would ask the DNS for a controller
    mkdir -p /etc/slurm
    [ -e /etc/slurm/slurm.conf ] || ln -sfn "$SLURM_CONF" /etc/slurm/slurm.conf

    if [ "$ACCT" != none ]; then
        (umask 077; cat >"$S/etc/slurmdbd.conf" <<EOF
AuthType=auth/munge
AuthInfo=socket=$S/munge/run/munge.socket.2
DbdHost=$HOST
DbdAddr=127.0.0.1
DbdPort=$DBD_PORT
SlurmUser=slurm
CommunicationParameters=NoInAddrAny
LogFile=$S/log/slurmdbd.log
PidFile=$S/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$SQL_PORT
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct
EOF
        )
        chown slurm: "$S/etc/slurmdbd.conf"
        # an account of its own, so that no mysql system user is needed
        cat >"$S/etc/my.cnf" <<EOF
[mariadbd]
datadir=$S/sql/data
socket=$S/sql/sock
pid-file=$S/sql/pid
log-error=$S/log/mariadb.log
bind-address=127.0.0.1
port=$SQL_PORT
user=slurm
skip-name-resolve
innodb_buffer_pool_size=64M
innodb_log_file_size=16M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=2
innodb_doublewrite=0
performance_schema=OFF
EOF
        chown slurm: "$S/sql"; chmod 750 "$S/sql"
    fi

    touch "$S/log/jobcomp.txt" "$S/log/slurmctld.log"
    chown slurm: "$S/ctld" "$S/log/jobcomp.txt" "$S/log/slurmctld.log"
    [ ! -e "$S/log/slurmdbd.log" ] || chown slurm: "$S/log/slurmdbd.log"
    chmod 1777 "$S/run" "$S/log" # the daemons run as munge, slurm and root
    # The nodes share one /tmp, where Slurm's PMIx plugin makes a directory named
    # after the job step: two nodes would collide (srun --mpi=pmix), hence an
    # mpi.conf, so a configuration directory, for each node
    for ((i = 1; i <= NODES; i++)); do
        mkdir -p "$S/spool/$(node $i)" "$S/spool/tmp-$(node $i)" "$S/etc/$(node $i)"
        chmod 1777 "$S/spool/tmp-$(node $i)"
        ln -sfn ../slurm.conf "$S/etc/$(node $i)/slurm.conf"
        echo "PMIxCliTmpDirBase=$S/spool/tmp-$(node $i)" >"$S/etc/$(node $i)/mpi.conf"
    done

    write_modules
}

# Site-wide: what a real login node has in /etc/profile.d
write_modules() {
    mkdir -p "$S/modulefiles/COMPSs" "$S/apps/COMPSs/3.3/Runtime/scripts/user"
    install -m 755 "$(dirname "${BASH_SOURCE[0]}")/enqueue_compss" "$S/apps/COMPSs/3.3/Runtime/scripts/user/"
    cat >"$S/modulefiles/COMPSs/3.3" <<EOF
#%Module1.0
## A stand-in for a site's COMPSs module (Tcl syntax: read by Lmod and by Environment Modules)
proc ModulesHelp { } { puts stderr "COMPSs 3.3 (test cluster)" }
module-whatis "COMPSs 3.3 (test cluster)"
conflict COMPSs
setenv COMPSS_HOME $S/apps/COMPSs/3.3
prepend-path PATH $S/apps/COMPSs/3.3/Runtime/scripts/user
EOF
    if [ "$MODULES" != none ]; then
        cat >/etc/profile.d/zz-cluster-modules.sh <<EOF
# written by $S's cluster.sh; removed by 'cluster.sh down'
if [ -d "$S/modulefiles" ]; then
    case ":\${MODULEPATH:-}:" in *":$S/modulefiles:"*) ;; *) export MODULEPATH="$S/modulefiles\${MODULEPATH:+:\$MODULEPATH}" ;; esac
fi
EOF
    fi
}

# --- start, stop -------------------------------------------------------------

check_ports() { # a stranger on one of our ports is told apart from our own daemon
    local name=$1 addr=$2
    alive "$name" || ! ss -Hltn "src $addr" | grep -q . || die "$addr, wanted for $name, is taken by another process"
}

sql() { mariadb --no-defaults --socket="$S/sql/sock" --user=root "$@"; }

start_db() {
    if [ ! -d "$S/sql/data/mysql" ]; then
        say 'creating the database'
        rm -rf "$S/sql/data"
        # --auth-root-authentication-method=normal: the socket's directory is 0750, that guards it
        mariadb-install-db --defaults-file="$S/etc/my.cnf" --user=slurm --skip-test-db \
            --auth-root-authentication-method=normal >>"$S/log/mariadb-install.out" 2>&1
    fi
    start mariadb mariadbd --defaults-file="$S/etc/my.cnf"
    wait_for 60 mariadb sql -e 'select 1'
    sql -e "create database if not exists slurm_acct; create user if not exists slurm@'127.0.0.1' identified by 'slurm'; grant all on slurm_acct.* to slurm@'127.0.0.1'"
    start slurmdbd setpriv --reuid=slurm --regid=slurm --init-groups slurmdbd -D
    wait_for 60 slurmdbd sacctmgr -n show cluster
}

accounts() { # needs a running slurmdbd; slurmctld, if it runs, hears of changes by itself
    [ ! -e "$S/accounts-done" ] || return 0
    sacctmgr -n show cluster format=cluster | grep -qw testhpc || sacctmgr -iQ add cluster testhpc >/dev/null
    sacctmgr -iQ add qos debug Priority=100 MaxWall=00:30:00 MaxTRESPerUser=cpu=4 Flags=DenyOnLimit >/dev/null || true
    sacctmgr -iQ add qos long Priority=1 MaxWall=2-00:00:00 Flags=DenyOnLimit >/dev/null || true
    sacctmgr -iQ add account hpctest cluster=testhpc Description=test Organization=test >/dev/null || true
    local user
    for user in "${USERS[@]}"; do
        sacctmgr -iQ add user "$user" account=hpctest cluster=testhpc qos=normal,debug,long defaultqos=normal >/dev/null || true
        sacctmgr -nP show assoc user="$user" format=account,qos | grep -q '^hpctest|debug,' || die 'the accounts were not made'
    done
    touch "$S/accounts-done"
}

nodes_ready() {
    local n
    n=$(sinfo -h -N -p main -o '%N %T' | sort -u | grep -cE ' (idle|mixed|allocated|completing)$') || true
    [ "$n" -eq "$NODES" ]
}
nodes_back() { # a node that was drained, or lost, comes back in service
    nodes_ready || { sinfo -h -N -p main -t drain,down -o %N | sort -u | while read -r n; do
        scontrol update NodeName="$n" State=RESUME; done; sleep 0.3; nodes_ready; }
}
ssh_ok() { ssh -F "$S/etc/ssh_config" -o ConnectTimeout=5 hpc true; }

up() {
    local i new
    [ "$(id -u)" = 0 ] || die 'up needs root'
    SECONDS=0
    mkdir -p "$S/log" "$S/pids"
    exec 9>"$S/lock"; flock -w 900 9 || die 'another cluster.sh is at work'
    new="CLUSTER_USER=$U
CLUSTER_SSH_PORT=$SSH_PORT
CLUSTER_BASE_PORT=$BASE
CLUSTER_NODES=$NODES
CLUSTER_NODE_CPUS=$NCPU
CLUSTER_NODE_MEM=$NMEM
CLUSTER_ACCT=$ACCT
CLUSTER_MPI=$MPI
CLUSTER_MODULES=$MODULES"
    install_packages
    pmix_link
    if [ "$new" != "$(cat "$S/settings" 2>/dev/null)" ] && compgen -G "$S/pids/*" >/dev/null; then
        say 'the settings changed: stopping first'; stop_all
    elif status >/dev/null 2>&1; then say 'already up'; return 0; fi
    printf '%s\n' "$new" >"$S/settings"
    say 'packages are there'
    # before anything of this machine is changed: another cluster may be up
    check_ports slurmctld "127.0.0.1:$CTLD_PORT"; check_ports sshd "127.0.0.1:$SSH_PORT"
    check_ports "sshd-$(node 1)" "$(node_ssh 1):22"
    write_config
    hosts_file add
    extra_address add

    start sshd /usr/sbin/sshd -D -e -f "$S/etc/sshd_config" -o ListenAddress="127.0.0.1:$SSH_PORT"
    for ((i = 1; i <= NODES; i++)); do
        check_ports "sshd-$(node $i)" "$(node_ssh $i):22"
        on_node $i "sshd-$(node $i)" /usr/sbin/sshd -D -e -f "$S/etc/sshd_config" -o ListenAddress="$(node_ssh $i):22"
    done
    start munged setpriv --reuid=munge --regid=munge --init-groups munged -F \
        --key-file="$S/munge/key" --socket="$S/munge/run/munge.socket.2" \
        --pid-file="$S/munge/run/munged.pid" --log-file="$S/munge/log/munged.log" \
        --seed-file="$S/munge/lib/seed"
    wait_for 20 munged munge -n -S "$S/munge/run/munge.socket.2"
    say 'sshd and munged run'
    if [ "$ACCT" != none ]; then
        check_ports mariadb "127.0.0.1:$SQL_PORT"; check_ports slurmdbd "127.0.0.1:$DBD_PORT"
        start_db
        accounts
        say 'mariadb and slurmdbd run'
    fi
    start slurmctld slurmctld -D -f "$SLURM_CONF"
    wait_for 30 slurmctld scontrol ping
    for ((i = 1; i <= NODES; i++)); do
        on_node $i "slurmd-$(node $i)" env SLURM_CONF="$S/etc/$(node $i)/slurm.conf" \
            slurmd -D -N "$(node $i)" -f "$S/etc/$(node $i)/slurm.conf"
    done
    wait_for 60 'the nodes' nodes_back
    wait_for 20 sshd ssh_ok
    say "up: ssh -F $S/etc/ssh_config hpc"
}

down() {
    SECONDS=0
    [ -d "$S/pids" ] || { say 'not up'; return 0; }
    exec 9>"$S/lock"; flock -w 900 9 || die 'another cluster.sh is at work'
    stop_all
    say 'down'
}

stop_all() {
    local i f u p pids=() uids=()
    if alive slurmctld && timeout 10 scontrol ping >/dev/null 2>&1; then
        for u in "${USERS[@]}"; do timeout 20 scancel --user="$u" 2>/dev/null || true; done
        for ((i = 0; i < 100; i++)); do
            [ -n "$(timeout 10 squeue -h 2>/dev/null)" ] || break
            sleep 0.1
        done
    fi
    stop sshd tree
    for f in "$S"/pids/s*d-"$NODE_PREFIX"*; do [ ! -e "$f" ] || stop "$(basename "$f")" tree; done
    stop slurmctld; stop slurmdbd; stop mariadb; stop munged
    # what jobs and logins left behind: step daemons of our slurmds, and the
    # processes of the account that `up` itself created
    for p in "${USERS[@]}"; do ! ours "$p" || uids+=("$(id -u "$p")"); done
    for p in /proc/[0-9]*; do
        p=${p#/proc/}
        u=$(awk '/^Uid:/{print $2}' "/proc/$p/status" 2>/dev/null) || u=
        if [ -n "$u" ] && [[ " ${uids[*]} " == *" $u "* ]]; then pids+=("$p")
        elif grep -q '^slurmstepd' "/proc/$p/comm" 2>/dev/null && tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -qF "SLURM_CONF=$S/etc/"; then pids+=("$p"); fi
    done
    stop_pids "${pids[@]}"
    hosts_file remove
    extra_address del
    rm -f /etc/profile.d/zz-cluster-modules.sh
    [ "$(readlink /etc/slurm/slurm.conf)" != "$SLURM_CONF" ] || rm -f /etc/slurm/slurm.conf
}

status() {
    local rc=0 n want=(sshd munged slurmctld) i
    [ "$ACCT" = none ] || want+=(mariadb slurmdbd)
    for ((i = 1; i <= NODES; i++)); do want+=("sshd-$(node $i)" "slurmd-$(node $i)"); done
    for n in "${want[@]}"; do
        if alive "$n"; then printf '%-20s running, pid %s\n' "$n" "$(pid_of "$n")"
        else printf '%-20s not running\n' "$n"; rc=1; fi
    done
    [ $rc -eq 0 ] || return 1
    timeout 10 sinfo || rc=1
    nodes_ready || { echo 'not all the nodes are usable'; rc=1; }
    ssh_ok || { echo 'no login by ssh'; rc=1; }
    return $rc
}

show_env() {
    cat <<EOF
export HPC_HOST=127.0.0.1 HPC_PORT=$SSH_PORT HPC_USER=$U HPC_HOME=$(home_of "$U")
export HPC_USER2=${U}2 HPC_HOME2=$(home_of "${U}2") HPC_KEY2=$(key_of "${U}2")
export HPC_KEY=$S/keys/id_ed25519 HPC_KNOWN_HOSTS=$S/keys/known_hosts
export HPC_SSH_CONFIG=$S/etc/ssh_config SLURM_CONF=$SLURM_CONF
EOF
}

clean() {
    down
    local user
    for user in "${USERS[@]}"; do ! ours "$user" || userdel "$user" || true; done
    rm -rf "$S"
}

case ${1:-} in
    up) up ;;
    down) down ;;
    status) trap - ERR; status ;;
    stop) # who is logged in falls out with sshd, as when the machine goes
        [ -n "${2:-}" ] || die 'stop what? see: status'
        if [ "$2" = sshd ]; then stop "$2" tree; else stop "$2"; fi ;;
    env) show_env ;;
    log) echo "$S/log/sshd.out" ;;
    clean) clean ;;
    *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
