# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The emulated machine: Debian 12's kernel in QEMU with a NIC that has scatter-gather, the host's root file system
# beneath a throw-away layer, and one folder that both sides write. Sourced by run and measure.
#
# What the machine needs is kept in $cache and in test/build; nothing is installed where the host's own kernel lives.

# All that a caller may use. A test folder that is copied elsewhere works there: every path starts from here.
test_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
driver_dir=$(dirname "$test_dir")
build=$test_dir/build
cache_root=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/sluice
guest_share=/run/share
machine_pid=

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

machine_install() {
    local missing=() tool
    for tool in qemu-system-x86_64:qemu-system-x86 cpio:cpio depmod:kmod busybox:busybox-static gcc-12:gcc-12 gcc:gcc \
        make:make xz:xz-utils zstd:zstd tc:iproute2; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
    done
    # A busybox that needs the C library would be no init.
    ! ldd "$(command -v busybox)" >/dev/null 2>&1 || missing+=(busybox-static)
    [ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
    [ -e /usr/lib/x86_64-linux-gnu/libelf.so.1 ] || missing+=(libelf1)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || die "needs the packages ${missing[*]}: install them, or run this once as root"
    command -v apt-get >/dev/null || die "needs ${missing[*]}, and knows only how to install them with apt-get"
    echo "installing ${missing[*]}"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } \
        >"$build/install.log" 2>&1 || die "cannot install ${missing[*]}: $(tail -n 1 "$build/install.log")"
}

# The packages are those of Debian 12, or for another series than its own those of its backports, in lists of our own.
apt_options=()

machine_backports() {
    # Not in the lists' folder: an update removes what it does not know there.
    local from lists=$cache_root/backports sources=$cache_root/backports.list
    from=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 2>/dev/null | sed -n 's/ bookworm$//p' | head -n 1)
    [ -n "$from" ] || die "finds no source of Debian 12 in this system's lists, from which the backports would come"
    mkdir -p "$lists/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from bookworm-backports main" >"$sources"
    apt_options=(-o "Dir::Etc::SourceList=$sources" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=")
}

# Sets kernel (its release) and kernel_dir. The newest cached one is taken, so that a second run needs no network and
# compares with the first; remove $cache_root to get a newer one. SLUICE_KERNEL=6.12 takes another series than 6.1.
machine_kernel() {
    local found version part parts unpack offset series=${SLUICE_KERNEL:-6.1}
    [[ $series =~ ^[0-9]+\.[0-9]+$ ]] || die "SLUICE_KERNEL is \"$series\"; write a series such as 6.1 or 6.12"
    mkdir -p "$cache_root"
    found=$(find "$cache_root" -maxdepth 1 -name "kernel-$series.*" | sort -V | tail -n 1)
    if [ -z "$found" ]; then
        command -v apt-get >/dev/null || die "gets Debian 12's kernel with apt-get, which is not here"
        [ "$series" = 6.1 ] || machine_backports
        [ -n "$(apt-cache "${apt_options[@]}" show linux-headers-amd64 2>/dev/null)" ] ||
            apt-get "${apt_options[@]}" update -q >"$build/fetch.log" 2>&1 || true
        # The metapackage of the headers and that of the image can differ while the archive is being updated.
        version=$(apt-cache "${apt_options[@]}" show linux-headers-amd64 2>/dev/null |
            sed -n "s/^Version: \(${series/./\\.}\..*\)/\1/p" | sort -V | tail -n 1) || true # told below
        kernel=$(apt-cache "${apt_options[@]}" show "linux-headers-amd64=$version" 2>/dev/null |
            sed -n "s/^Depends:.*linux-headers-\(${series/./\\.}\.[^ ,]*-amd64\).*/\1/p" | head -n 1) || true
        [ -n "$kernel" ] ||
            die "finds no linux-headers-amd64 $series in the lists of Debian 12 and, for another series than 6.1, of its backports"
        echo "fetching Linux $kernel ($version)"
        unpack=$(mktemp -d "$cache_root/unpacking.XXXXXX")
        parts=("linux-image-$kernel=$version")
        for part in "$kernel" "${kernel%-amd64}-common"; do parts+=("linux-headers-$part=$version"); done
        # What its headers need to be built with: of the series, or of the release.
        for part in $(apt-cache "${apt_options[@]}" show "linux-headers-$kernel=$version" |
            sed -n 's/^Depends: //p' | grep -o 'linux-\(kbuild\|compiler\)-[^ ,]*'); do
            parts+=("$part=$version")
        done
        if ! (cd "$unpack" && apt-get "${apt_options[@]}" download -q "${parts[@]}") >"$build/fetch.log" 2>&1 &&
            # Lists that are older than the archive name packages that are gone.
            ! (apt-get "${apt_options[@]}" update -q && cd "$unpack" && apt-get "${apt_options[@]}" download -q "${parts[@]}") \
                >>"$build/fetch.log" 2>&1; then
            rm -rf "$unpack"
            die "cannot fetch Linux $kernel: $(grep '^E:' "$build/fetch.log" | tail -n 1)"
        fi
        for part in "$unpack"/*.deb; do
            dpkg -x "$part" "$unpack"
            rm "$part"
        done
        depmod -b "$unpack" "$kernel"
        # The packages expect to be in /usr/src.
        echo "include ../linux-headers-${kernel%-amd64}-common/Makefile" >"$unpack/usr/src/linux-headers-$kernel/Makefile"
        # Emulated, unpacking itself takes the kernel longer than all the rest of its start.
        local magic decompress
        for magic in '\xfd7zXZ\x00:xz' '\x28\xb5\x2f\xfd:zstd'; do
            decompress=${magic##*:}
            offset=$(LC_ALL=C grep -abom 1 -P "${magic%:*}" "$unpack/boot/vmlinuz-$kernel" | head -n 1 | cut -d : -f 1) || continue
            tail -c "+$((offset + 1))" "$unpack/boot/vmlinuz-$kernel" | "$decompress" -dcq >"$unpack/vmlinux" 2>/dev/null || true
            [ "$(head -c 4 "$unpack/vmlinux" | tail -c 3)" != ELF ] || break
        done
        [ "$(head -c 4 "$unpack/vmlinux" | tail -c 3)" = ELF ] || die "cannot unpack the kernel in $unpack"
        chmod 755 "$unpack"
        mv -T "$unpack" "$cache_root/kernel-$kernel"
        found=$cache_root/kernel-$kernel
    fi
    kernel_dir=$found
    kernel=${found##*/kernel-}
}

# Compiles the modules, and those for tests only in test/modules, in copies: no file of the sources is touched.
# A warning is an error, for an incremental build would show it only once.
machine_modules() {
    local headers=$kernel_dir/usr/src/linux-headers-$kernel tree=$build/linux-driver log=$build/modules.log entry
    local -a make=(make -j "$(nproc)" W=1 KCFLAGS=-Werror CONFIG_DEBUG_INFO_BTF_MODULES=)
    mkdir -p "$tree"
    # What was removed from the sources goes from the copy too; what was compiled stays. A developer's own build in the
    # sources is not copied: it may be for another kernel.
    find "$tree" -type f \( -name '*.[ch]' -o -name Kbuild -o -name Makefile \) ! -name '*.mod.c' -printf '%P\n' |
        while read -r entry; do [ -e "$driver_dir/$entry" ] || rm "$tree/$entry"; done
    (cd "$driver_dir" && find . -path ./test/build -prune -o -path './test/*.c' ! -path './test/modules/*' -prune -o \
        -type f \( -name '*.[ch]' -o -name Kbuild -o -name Makefile \) ! -name '*.mod.c' -print0 |
        xargs -0 cp -p -u --parents -t "$tree")
    if ! "${make[@]}" -C "$tree" "KDIR=$headers" modules >"$log" 2>&1 ||
        { [ -e "$tree/test/modules/Kbuild" ] && ! "${make[@]}" -C "$headers" "M=$tree/test/modules" \
            "KBUILD_EXTRA_SYMBOLS=$tree/Module.symvers" modules >>"$log" 2>&1; }; then
        grep -aEi 'error|warning|undefined' "$log" | head -n 20 >&2 || tail -n 20 "$log" >&2
        die "the modules do not compile without warnings; see $log"
    fi
    if grep -aE '(warning|WARNING):' "$log" >&2; then
        find "$tree" -name '*.o' -delete
        die "the modules do not compile without warnings; see $log"
    fi
}

machine_programs() {
    local source program
    for source in "$test_dir"/*.c; do
        [ -e "$source" ] || return 0
        program=$build/$(basename "$source" .c)
        gcc -O2 -g -Wall -Wextra -Werror -pthread -I"$driver_dir/include/uapi" -o "$program" "$source" ||
            die "${source##*/} does not compile without warnings"
    done
}

machine_initramfs() {
    local root=$build/initramfs module file modprobe
    modprobe=$(PATH=$PATH:/usr/sbin:/sbin command -v modprobe)
    rm -rf "$root"
    mkdir -p "$root"/{bin,modules,dev,proc,sys,host,layer,root}
    cp "$(command -v busybox)" "$root/bin/busybox"
    for module in virtio_pci 9pnet_virtio 9p overlay e1000e sch_netem; do
        "$modprobe" -d "$kernel_dir" -S "$kernel" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$build/modules.order"
    while read -r file; do
        cp "$file" "$root/modules"
        echo "/modules/${file##*/}"
    done <"$build/modules.order" >"$root/modules/order"
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do insmod "$module" || echo "init: cannot load $module"; done </modules/order
options=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "$options,cache=loose,ro" host /host
mount -t tmpfs layer /layer
mkdir /layer/upper /layer/work
# Programs may write anywhere, and nothing of it reaches the host or outlives the machine.
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root
mount --rbind /dev /root/dev
mount --rbind /sys /root/sys
mount -t proc proc /root/proc
mount -t tracefs trace /root/sys/kernel/tracing
mount -t debugfs debug /root/sys/kernel/debug
mkdir -p /root/dev/shm /root/run /root/tmp
mount -t tmpfs shm /root/dev/shm
mount -t tmpfs run /root/run
mkdir /root/run/share
mount -t 9p -o "$options,cache=none" share /root/run/share
ip link set lo up
ip link set eth0 up
ip addr add 192.0.2.15/24 dev eth0
ip route add default via 192.0.2.2
chroot /root /bin/bash /run/share/start
# With -no-reboot this ends the emulator, faster than switching it off by ACPI.
reboot -f
INIT
    chmod +x "$root/init"
    (cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$build/initramfs.cpio"
}

# Builds the pipeline, which it would do itself when it starts, but cannot in the guest; and keeps what a first run of it
# made of its classes, for emulated, that start takes a minute, and from the cache 20 s. The code in the cache
# would be for the host's processor: hence without any. The better compiler would only compete with the pipeline for the
# emulated processor. Sets sluice (its command), and leaves the options of its virtual machine in pipeline.options.
machine_pipeline() {
    local home options="-XX:TieredStopAtLevel=1 -XX:+UnlockDiagnosticVMOptions -XX:-AOTAdapterCaching -XX:-AOTStubCaching"
    local cache=$build/pipeline.aot train=$build/train pid port
    sluice=$(dirname "$driver_dir")/pipeline/bin/sluice
    home=$(dirname "$(dirname "$sluice")")
    "$sluice" --version >"$build/pipeline.log" 2>&1 || die "the pipeline does not start: $(tail -n 3 "$build/pipeline.log")"
    echo "$options -XX:AOTCache=$cache" >"$build/pipeline.options"
    [ ! -e "$cache" ] || [ "$home/target/sluice-pipeline.jar" -nt "$cache" ] || return 0
    rm -rf "$cache" "$train"
    mkdir "$train"
    cd "$train"
    "$sluice" receive --listen=127.0.0.1:0 >out 2>err &
    pid=$!
    until port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' out | head -n 1); [ -n "$port" ]; do
        kill -0 "$pid" 2>/dev/null || die "the pipeline's receiver does not start: $(tail -n 3 err)"
        sleep 0.1
    done
    cat >conf <<END
sluice {
  sources { sim { type = simulated, frames = 400, buffer-size = 256KiB } }
  sinks { out { type = tcp, from = sim, connect = "127.0.0.1:$port" } }
}
END
    # Slower, but right, without a cache: what fails here is for the tests to show.
    SLUICE_JAVA_OPTS="$options -XX:AOTCacheOutput=$cache" timeout --kill-after=5 90 "$sluice" run conf >log 2>&1 || true
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    cd - >/dev/null
}

# machine_boot SHARE ARGUMENTS [QEMU OPTION...]: starts a machine that runs SHARE/start with bash as root, its console in
# SHARE/console, and sets machine_pid. ARGUMENTS are added to the kernel's.
machine_boot() {
    local share=$1 arguments=$2
    shift 2
    # A stalled host is no bug of the guest: its watchdogs wait for longer than a build machine is ever busy. A first
    # oops ends it, for what comes after one tells nothing. Killing this shell, by whatever signal, ends the emulator.
    setpriv --pdeathsig KILL qemu-system-x86_64 -M q35 -nodefaults -nographic -no-reboot -m 2048 \
        -kernel "$kernel_dir/vmlinux" -initrd "$build/initramfs.cpio" \
        -append "console=ttyS0 panic=-1 oops=panic watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=100 $arguments" \
        -serial "file:$share/console" \
        -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
        -device virtio-9p-pci,fsdev=host,mount_tag=host \
        -fsdev "local,id=share,path=$share,security_model=none" \
        -device virtio-9p-pci,fsdev=share,mount_tag=share \
        -netdev user,id=net,net=192.0.2.0/24 -device e1000e,netdev=net,romfile= \
        -device virtio-rng-pci \
        "$@" </dev/null >"$share/qemu.log" 2>&1 &
    machine_pid=$!
}

machine_runs() {
    [ -n "$machine_pid" ] && kill -0 "$machine_pid" 2>/dev/null
}

# Ends the emulator that machine_boot started, and no other.
machine_stop() {
    [ -n "$machine_pid" ] || return 0
    kill -KILL "$machine_pid" 2>/dev/null || true
    wait "$machine_pid" 2>/dev/null || true
    machine_pid=
}

# The lines of a kernel log that a clean run does not have.
kernel_complaints() {
    tr -d '\r' <"$1" | grep -aE \
        -e 'WARNING: (CPU|possible|suspicious|inconsistent|bad unlock|held lock|lock held|can.t|at |kernel|.*leak)' \
        -e '\bBUG\b' -e '\bOops\b' -e 'Call Trace:' -e 'general protection' -e 'KASAN' -e 'UBSAN' -e 'KCSAN' \
        -e 'INFO: task .* blocked' -e 'rcu.*detected .*stall' -e 'INFO: (possible|lockdep|trying to register)' \
        -e '(possible|suspicious|inconsistent) .*(lock|RCU)' -e 'DEBUG_LOCKS_WARN' -e 'Bad page' -e 'DMA-API:' \
        -e 'refcount_t:' -e 'list_(add|del) corruption' -e 'Kernel panic' -e 'unable to handle' -e 'kmemleak: [1-9]' \
        -e 'scheduling while atomic' -e 'sleeping function called' -e 'swiotlb buffer is full' -e 'Out of memory' ||
        true
}
