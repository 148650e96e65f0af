// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the transports that use sendmsg have in common: the socket, and the plain send. */
abstract sealed class SocketTransport implements Transport permits CopyTransport, ReferringTransport, TlsTransport {

    static final Logger LOG = LoggerFactory.getLogger(SocketTransport.class);

    final TcpSocket socket;
    final SendCounters counters;

    SocketTransport(TcpSocket socket, SendCounters counters) {
        this.socket = socket;
        this.counters = counters;
    }

    @Override
    public int prepare() throws IOException {
        return 0;
    }

    @Override
    public Progress send(Transfer transfer) throws IOException {
        while (transfer.leftBytes() > 0) {
            long result = sendSome(transfer);
            if (result == -Constants.EAGAIN) {
                return Progress.AWAIT_WRITABLE;
            }
            if (result == -Constants.ENOBUFS && outstanding() > 0) {
                return Progress.AWAIT_COMPLETION;
            }
            if (result == -Constants.EFAULT) {
                throw new UnreadableMemoryException();
            }
            if (result < 0 && result != -Constants.EINTR) {
                throw new ConnectionLostException((int) -result);
            }
        }
        return Progress.SENT;
    }

    /** One send; accounts for what was taken, and returns it or the negated errno. */
    abstract long sendSome(Transfer transfer) throws IOException;

    final long sendPlainly(Transfer transfer) {
        return sendPlainly(transfer, transfer.iovecCount(), 0);
    }

    /** Only so many of the next elements. */
    final long sendPlainly(Transfer transfer, int elements, int flags) {
        long taken = socket.send(transfer.iovecAddress(), elements, flags);
        if (taken > 0) {
            transfer.advance(taken);
            counters.sent.add(taken);
            counters.plain.add(taken);
        }
        return taken;
    }

    @Override
    public long receive(MemorySegment into) throws IOException {
        long got;
        do {
            got = socket.receive(into);
        } while (got == -Constants.EINTR);
        if (got < 0 && got != -Constants.EAGAIN) {
            throw new ConnectionLostException((int) -got);
        }
        return got == 0 ? END : Math.max(0, got);
    }

    @Override
    public boolean holdsReceived() {
        return false;
    }

    @Override
    public boolean holdsSettled() {
        return false;
    }

    @Override
    public int completionFd() {
        return -1;
    }

    @Override
    public void reap(Consumer<Transfer> settled) throws IOException {}

    @Override
    public int outstanding() {
        return 0;
    }

    @Override
    public int fd() {
        return socket.fd();
    }

    @Override
    public int pendingError() {
        return socket.pendingError();
    }

    @Override
    public int unacknowledgedBytes() {
        return socket.unacknowledgedBytes();
    }

    @Override
    public boolean finish() {
        // ENOTCONN: the peer was faster, and the next look at the socket tells so.
        socket.shutdownOutput();
        return true;
    }

    @Override
    public void abort() {
        socket.disconnect();
    }

    /** Gives back what it has besides the socket. */
    void release() {}

    @Override
    public void close() {
        release();
        socket.close();
    }
}
