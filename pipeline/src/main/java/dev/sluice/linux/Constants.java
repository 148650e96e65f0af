// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

/** Constants of the kernel's interface, named as in C. A test compares each with the value the C compiler sees. */
public final class Constants {

    // <fcntl.h>
    public static final int O_RDONLY = 0;
    public static final int O_RDWR = 2;
    public static final int O_NONBLOCK = 0x800;
    public static final int O_CLOEXEC = 0x80000;
    public static final int F_SETPIPE_SZ = 1031;
    public static final int SPLICE_F_NONBLOCK = 0x2;
    public static final int SPLICE_F_MORE = 0x4;

    // <sys/mman.h>
    public static final int PROT_READ = 1;
    public static final int PROT_WRITE = 2;
    public static final int MAP_SHARED = 1;
    public static final int MAP_POPULATE = 0x8000;
    public static final int MFD_CLOEXEC = 1;

    // <sys/socket.h>, <netinet/in.h>, <netinet/tcp.h>
    public static final int AF_UNSPEC = 0;
    public static final int AF_INET = 2;
    public static final int AF_INET6 = 10;
    public static final int SOCK_STREAM = 1;
    public static final int SOCK_NONBLOCK = 0x800;
    public static final int SOCK_CLOEXEC = 0x80000;
    public static final int SHUT_WR = 1;
    public static final int SOL_SOCKET = 1;
    public static final int SO_REUSEADDR = 2;
    public static final int SO_ERROR = 4;
    public static final int SO_SNDBUF = 7;
    public static final int SO_RCVBUF = 8;
    public static final int SO_SNDBUFFORCE = 32;
    public static final int SO_MAX_PACING_RATE = 47;
    public static final int SO_ZEROCOPY = 60;
    public static final int IPPROTO_TCP = 6;
    public static final int TCP_NODELAY = 1;
    public static final int TCP_NOTSENT_LOWAT = 25;
    public static final int MSG_DONTWAIT = 0x40;
    public static final int MSG_CTRUNC = 0x8;
    public static final int MSG_WAITALL = 0x100;
    public static final int MSG_MORE = 0x8000;
    public static final int MSG_ERRQUEUE = 0x2000;
    public static final int MSG_NOSIGNAL = 0x4000;
    public static final int MSG_ZEROCOPY = 0x4000000;
    public static final int SOL_IP = 0;
    public static final int IP_RECVERR = 11;
    public static final int SOL_IPV6 = 41;
    public static final int IPV6_RECVERR = 25;

    // <limits.h>: IOV_MAX, most iovec elements of one sendmsg
    public static final int IOV_MAX = 1024;

    // <linux/errqueue.h>
    public static final int SO_EE_ORIGIN_ZEROCOPY = 5;
    public static final int SO_EE_CODE_ZEROCOPY_COPIED = 1;

    // <linux/sockios.h>
    public static final int SIOCOUTQ = 0x5411;

    // <sys/syscall.h>: the same on every architecture, as all calls since Linux 5.1
    public static final int __NR_io_uring_setup = 425;
    public static final int __NR_io_uring_enter = 426;
    public static final int __NR_io_uring_register = 427;

    // <linux/io_uring.h>
    public static final int IORING_SETUP_CQSIZE = 0x8;
    public static final int IORING_SETUP_CLAMP = 0x10;
    public static final int IORING_FEAT_SINGLE_MMAP = 0x1;
    public static final int IORING_FEAT_NODROP = 0x2;
    public static final int IORING_OFF_SQ_RING = 0;
    public static final int IORING_OFF_SQES = 0x10000000;
    public static final int IORING_OP_SEND = 26;
    public static final int IORING_OP_SEND_ZC = 47;
    public static final int IOSQE_IO_LINK = 0x4;
    public static final int IORING_ENTER_GETEVENTS = 0x1;
    public static final int IORING_CQE_F_MORE = 0x2;
    public static final int IORING_CQE_F_NOTIF = 0x8;
    public static final int IORING_RECVSEND_FIXED_BUF = 0x4;
    public static final int IORING_SEND_ZC_REPORT_USAGE = 0x8;
    public static final int IORING_NOTIF_USAGE_ZC_COPIED = 0x8000_0000;
    public static final int IORING_REGISTER_BUFFERS = 0;
    public static final int IORING_REGISTER_PROBE = 8;
    public static final int IO_URING_OP_SUPPORTED = 0x1;

    // <time.h>
    public static final int CLOCK_REALTIME = 0;

    // <linux/sluice.h>, in linux-driver/include/uapi. Requests with the direction bit of _IOR are negative as an int.
    public static final int SLUICE_ABI = 2;
    public static final int SLUICE_CAP_PAGES = 0x1;
    public static final int SLUICE_CAP_LOSS = 0x2;
    public static final int SLUICE_CAP_RESIDUE = 0x4;
    public static final int SLUICE_CAP_REGISTER = 0x8;
    public static final int SLUICE_STOPPED = 0;
    public static final int SLUICE_RUNNING = 1;
    public static final int SLUICE_KEEP = 0x1;
    public static final int SLUICE_INFO = 0x8030_da00;
    public static final int SLUICE_CONFIGURE = 0x4020_da01;
    public static final int SLUICE_START = 0xda02;
    public static final int SLUICE_STOP = 0xda03;
    public static final int SLUICE_COUNTS = 0x8058_da04;

    // <sys/eventfd.h>
    public static final int EFD_NONBLOCK = 0x800;
    public static final int EFD_CLOEXEC = 0x80000;

    // <sys/epoll.h>
    public static final int EPOLL_CLOEXEC = 0x80000;
    public static final int EPOLL_CTL_ADD = 1;
    public static final int EPOLL_CTL_DEL = 2;
    public static final int EPOLL_CTL_MOD = 3;
    public static final int EPOLLIN = 0x1;
    public static final int EPOLLOUT = 0x4;
    public static final int EPOLLERR = 0x8;
    public static final int EPOLLHUP = 0x10;
    public static final int EPOLLRDHUP = 0x2000;
    public static final int EPOLLONESHOT = 0x40000000;
    public static final int EPOLLET = 0x80000000;

    // <poll.h>
    public static final int POLLIN = 0x1;
    public static final int POLLOUT = 0x4;
    public static final int POLLERR = 0x8;
    public static final int POLLHUP = 0x10;

    // <errno.h>
    public static final int EPERM = 1;
    public static final int ENOENT = 2;
    public static final int EINTR = 4;
    public static final int ENXIO = 6;
    public static final int EBADF = 9;
    public static final int EAGAIN = 11;
    public static final int ENOMEM = 12;
    public static final int EACCES = 13;
    public static final int EFAULT = 14;
    public static final int ENOSYS = 38;
    public static final int EBUSY = 16;
    public static final int ENODEV = 19;
    public static final int EINVAL = 22;
    public static final int EPIPE = 32;
    public static final int ENOTTY = 25;
    public static final int ENOPROTOOPT = 92;
    public static final int EOPNOTSUPP = 95;
    public static final int ECANCELED = 125;
    public static final int EADDRINUSE = 98;
    public static final int EADDRNOTAVAIL = 99;
    public static final int ENETUNREACH = 101;
    public static final int ECONNABORTED = 103;
    public static final int ECONNRESET = 104;
    public static final int ENOBUFS = 105;
    public static final int ENOTCONN = 107;
    public static final int ETIMEDOUT = 110;
    public static final int ECONNREFUSED = 111;
    public static final int EHOSTUNREACH = 113;
    public static final int EALREADY = 114;
    public static final int EINPROGRESS = 115;

    private Constants() {}
}
