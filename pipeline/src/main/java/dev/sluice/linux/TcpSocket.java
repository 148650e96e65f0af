// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A non-blocking TCP socket (man 7 tcp) and its error queue. Closed by its owner; a descriptor number is reused by
 * the kernel after {@link #close}, so nothing may be called then. One thread at a time.
 */
public final class TcpSocket implements AutoCloseable {

    private static final Path LARGEST_SEND_BUFFER = Path.of("/proc/sys/net/core/wmem_max");

    /** Room for two pieces of ancillary data: the error with its address, and one nobody asked for. */
    private static final int CONTROL_BYTES = 256;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment outgoing = Msghdr.allocate(arena);

    /** Apart from {@code outgoing}: the ancillary data it points at would be an error in a send. */
    private final MemorySegment notification = Msghdr.allocate(arena);

    private final MemorySegment control = arena.allocate(CONTROL_BYTES, Long.BYTES);
    private final int fd;

    private TcpSocket(int fd) {
        this.fd = fd;
    }

    public static TcpSocket open(InetAddress towards) throws LinuxException {
        int domain = towards instanceof Inet6Address ? Constants.AF_INET6 : Constants.AF_INET;
        int type = Constants.SOCK_STREAM | Constants.SOCK_NONBLOCK | Constants.SOCK_CLOEXEC;
        return new TcpSocket(LinuxException.check(Libc.socket(domain, type, Constants.IPPROTO_TCP), "socket"));
    }

    public int fd() {
        return fd;
    }

    /** Starts to connect; true if that is done already, false if the socket turns writable once it is settled. */
    public boolean connect(InetSocketAddress to) throws LinuxException {
        try (Arena call = Arena.ofConfined()) {
            int result = Libc.connect(fd, encode(call, to));
            if (result == -Constants.EINPROGRESS) {
                return false;
            }
            LinuxException.check(result, "connect to " + to);
            return true;
        }
    }

    /** What became of a connect, or of the connection: 0, or an errno, which is cleared by asking. */
    public int pendingError() {
        return Math.abs(Libc.getsockopt(fd, Constants.SOL_SOCKET, Constants.SO_ERROR));
    }

    /**
     * Drops the connection and everything queued for sending while the socket stays open, so that the error queue can
     * still be read: connect to AF_UNSPEC (man 2 connect). The peer sees a reset.
     */
    public void disconnect() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment unspecified = call.allocate(SockaddrIn.layout());
            unspecified.set(JAVA_SHORT, 0, (short) Constants.AF_UNSPEC);
            // A socket that is already reset answers with an error; there is nothing left to drop then.
            Libc.connect(fd, unspecified);
        }
    }

    public void bind(InetSocketAddress to) throws LinuxException {
        try (Arena call = Arena.ofConfined()) {
            LinuxException.check(Libc.bind(fd, encode(call, to)), "bind to " + to);
        }
    }

    public void listen(int backlog) throws LinuxException {
        LinuxException.check(Libc.listen(fd, backlog), "listen");
    }

    /** The next connection, or null while there is none. */
    public @Nullable TcpSocket accept() throws LinuxException {
        int accepted = Libc.accept(fd, Constants.SOCK_NONBLOCK | Constants.SOCK_CLOEXEC);
        return accepted == -Constants.EAGAIN ? null : new TcpSocket(LinuxException.check(accepted, "accept"));
    }

    public InetSocketAddress localAddress() throws LinuxException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment address = call.allocate(SockaddrIn6.layout());
            MemorySegment length = call.allocateFrom(JAVA_INT, (int) address.byteSize());
            LinuxException.check(Libc.getsockname(fd, address, length), "getsockname");
            return decode(address);
        }
    }

    /** Of a connected socket; an IPv4 peer is one whatever the socket's own family. */
    public InetSocketAddress peerAddress() throws LinuxException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment address = call.allocate(SockaddrIn6.layout());
            MemorySegment length = call.allocateFrom(JAVA_INT, (int) address.byteSize());
            LinuxException.check(Libc.getpeername(fd, address, length), "getpeername");
            return decode(address);
        }
    }

    /** Sends what the iovec elements name; the result or the negated errno. Never raises SIGPIPE. */
    public long send(long iovecAddress, int count, int flags) {
        Msghdr.iov(outgoing, iovecAddress, count);
        return Libc.sendmsg(fd, outgoing, flags | Constants.MSG_NOSIGNAL | Constants.MSG_DONTWAIT);
    }

    /** Takes what has come, as much as fits: bytes, 0 at the end, or the negated errno. */
    public long receive(MemorySegment into) {
        return Libc.read(fd, into, into.byteSize());
    }

    /** A frame's last segment does not wait for the one before to be acknowledged (Nagle). */
    public void noDelay() {
        Libc.setsockopt(fd, Constants.IPPROTO_TCP, Constants.TCP_NODELAY, 1); // if it cannot, it is only slower
    }

    /** Allows MSG_ZEROCOPY on this socket: 0 or the negated errno. */
    public int enableZerocopy() {
        return Libc.setsockopt(fd, Constants.SOL_SOCKET, Constants.SO_ZEROCOPY, 1);
    }

    /**
     * Sets the size of the send buffer, which the kernel doubles and does not tune itself from then on; beyond
     * net.core.wmem_max with CAP_NET_ADMIN only (man 7 socket).
     *
     * @param atMost whether as much of it as is allowed will do; else nothing is changed where all of it is not
     * @return whether it was set
     */
    public boolean sendBuffer(int bytes, boolean atMost) {
        return Libc.setsockopt(fd, Constants.SOL_SOCKET, Constants.SO_SNDBUFFORCE, bytes) == 0
                || ((atMost || bytes <= largestSendBuffer())
                        && Libc.setsockopt(fd, Constants.SOL_SOCKET, Constants.SO_SNDBUF, bytes) == 0);
    }

    private static long largestSendBuffer() {
        try {
            return Long.parseLong(Files.readString(LARGEST_SEND_BUFFER).strip());
        } catch (IOException | NumberFormatException e) {
            return 0; // not to be seen from here, as in some containers
        }
    }

    /** Bytes that the send buffer has as the kernel counts them, twice what was set; or the negated errno. */
    public int sendBuffer() {
        return Libc.getsockopt(fd, Constants.SOL_SOCKET, Constants.SO_SNDBUF);
    }

    /** Takes no more while so many bytes of the send buffer have not been sent at all (man 7 tcp, TCP_NOTSENT_LOWAT). */
    public void mostNotSent(int bytes) {
        Libc.setsockopt(fd, Constants.IPPROTO_TCP, Constants.TCP_NOTSENT_LOWAT, bytes);
    }

    public void option(int level, int name, int value, String what) throws LinuxException {
        LinuxException.check(Libc.setsockopt(fd, level, name, value), what);
    }

    /** Bytes handed over that the peer's TCP has not acknowledged yet (man 7 tcp, SIOCOUTQ); a sent FIN counts as one. */
    public int unacknowledgedBytes() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment value = call.allocate(JAVA_INT);
            return Libc.ioctl(fd, Constants.SIOCOUTQ, value) < 0 ? 0 : value.get(JAVA_INT, 0);
        }
    }

    /** Sends FIN after all that is queued: 0 or the negated errno. */
    public int shutdownOutput() {
        return Libc.shutdown(fd, Constants.SHUT_WR);
    }

    /**
     * Takes one entry off the error queue.
     *
     * @return true if it was a zero-copy notification, which {@link #notificationFirst}, {@link #notificationLast} and
     *     {@link #notificationCopied} then describe; false if the queue is empty
     */
    public boolean receiveNotification() throws LinuxException {
        while (true) {
            Msghdr.control(notification, control);
            long result = Libc.recvmsg(fd, notification, Constants.MSG_ERRQUEUE | Constants.MSG_DONTWAIT);
            if (result == -Constants.EAGAIN) {
                return false;
            }
            if (result < 0 && result != -Constants.EINTR) {
                throw new LinuxException("recvmsg(MSG_ERRQUEUE)", (int) -result);
            }
            // An entry of another origin (an ICMP error, say) is dropped here: SO_ERROR tells the same.
            if (result >= 0 && findNotification()) {
                return true;
            }
        }
    }

    private long notificationAt;

    private boolean findNotification() throws LinuxException {
        if ((Msghdr.flags(notification) & Constants.MSG_CTRUNC) != 0) {
            throw new LinuxException("recvmsg(MSG_ERRQUEUE) cut a notification short", Constants.EINVAL);
        }
        long end = Msghdr.controlLength(notification);
        for (long at = 0; at + Cmsghdr.layout().byteSize() <= end; at = Cmsghdr.next(control, at)) {
            int level = Cmsghdr.level(control, at);
            int type = Cmsghdr.type(control, at);
            boolean error = (level == Constants.SOL_IP && type == Constants.IP_RECVERR)
                    || (level == Constants.SOL_IPV6 && type == Constants.IPV6_RECVERR);
            notificationAt = Cmsghdr.data(at);
            if (error && SockExtendedErr.origin(control, notificationAt) == Constants.SO_EE_ORIGIN_ZEROCOPY) {
                return true;
            }
        }
        return false;
    }

    /** First id of the range, inclusive; ids are unsigned and wrap after 2^32 - 1. */
    public int notificationFirst() {
        return SockExtendedErr.info(control, notificationAt);
    }

    /** Last id of the range, inclusive. */
    public int notificationLast() {
        return SockExtendedErr.data(control, notificationAt);
    }

    /** True if the kernel copied the bytes of the range after all. */
    public boolean notificationCopied() {
        return (SockExtendedErr.code(control, notificationAt) & Constants.SO_EE_CODE_ZEROCOPY_COPIED) != 0;
    }

    @Override
    public void close() {
        Libc.close(fd);
        arena.close();
    }

    private static MemorySegment encode(Arena arena, InetSocketAddress to) {
        byte[] address = to.getAddress().getAddress();
        boolean six = address.length == SockaddrIn6.ADDRESS_BYTES;
        MemorySegment encoded = arena.allocate(six ? SockaddrIn6.layout() : SockaddrIn.layout());
        encoded.set(JAVA_SHORT, 0, (short) (six ? Constants.AF_INET6 : Constants.AF_INET));
        encoded.set(JAVA_SHORT.withOrder(ByteOrder.BIG_ENDIAN), six ? SockaddrIn6.PORT : SockaddrIn.PORT, (short)
                to.getPort());
        MemorySegment.copy(
                address, 0, encoded, JAVA_BYTE, six ? SockaddrIn6.ADDRESS : SockaddrIn.ADDRESS, address.length);
        if (to.getAddress() instanceof Inet6Address scoped) {
            encoded.set(JAVA_INT, SockaddrIn6.SCOPE, scoped.getScopeId());
        }
        return encoded;
    }

    private static InetSocketAddress decode(MemorySegment encoded) {
        boolean six = encoded.get(JAVA_SHORT, 0) == Constants.AF_INET6;
        int port = Short.toUnsignedInt(
                encoded.get(JAVA_SHORT.withOrder(ByteOrder.BIG_ENDIAN), six ? SockaddrIn6.PORT : SockaddrIn.PORT));
        byte[] address = new byte[six ? SockaddrIn6.ADDRESS_BYTES : SockaddrIn.ADDRESS_BYTES];
        MemorySegment.copy(
                encoded, JAVA_BYTE, six ? SockaddrIn6.ADDRESS : SockaddrIn.ADDRESS, address, 0, address.length);
        try {
            return new InetSocketAddress(InetAddress.getByAddress(address), port);
        } catch (UnknownHostException e) {
            throw new AssertionError("the kernel's address has 4 or 16 bytes", e);
        }
    }
}
