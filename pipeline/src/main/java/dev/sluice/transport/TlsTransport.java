// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Iovec;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import dev.sluice.wire.TlsLine;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.SelectionKey;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;

/**
 * {@code tls}: what is sent is encrypted, and so copied, here. Bytes are counted as they are before; what the peer's TCP has
 * not acknowledged is counted as it is after, which is a little more.
 */
final class TlsTransport extends SocketTransport {

    /** What a record carries at most (RFC 8446, 5.1). */
    private static final int RECORD_BYTES = 1 << 14;

    /** What may have come and be of no interest: a few records. */
    private static final int MOST_LAST_READS = 64;

    private final TlsLine line;

    /** What goes into the next record. */
    private final ByteBuffer plaintext = ByteBuffer.allocateDirect(RECORD_BYTES).limit(0);

    TlsTransport(TcpSocket socket, SSLEngine engine, SendCounters counters) {
        super(socket, counters);
        line = new TlsLine(new SocketChannel(), engine);
    }

    /** The socket, as TLS sees it. */
    private final class SocketChannel implements ByteChannel {

        private final MemorySegment iovec = Iovec.allocateArray(Arena.ofAuto(), 1);

        @Override
        public int read(ByteBuffer into) throws IOException {
            int got = (int) TlsTransport.super.receive(MemorySegment.ofBuffer(into));
            into.position(into.position() + Math.max(0, got));
            return got;
        }

        @Override
        public int write(ByteBuffer from) throws IOException {
            Iovec.set(iovec, 0, MemorySegment.ofBuffer(from).address(), from.remaining());
            long taken;
            do {
                taken = socket.send(iovec.address(), 1, 0);
            } while (taken == -Constants.EINTR);
            if (taken == -Constants.EAGAIN) {
                return 0;
            }
            if (taken < 0) {
                throw new ConnectionLostException((int) -taken);
            }
            from.position(from.position() + (int) taken);
            return (int) taken;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }

    @Override
    public int prepare() throws IOException {
        return switch (line.shake()) {
            case SelectionKey.OP_READ -> Constants.EPOLLIN;
            case SelectionKey.OP_WRITE -> Constants.EPOLLOUT;
            default -> 0;
        };
    }

    @Override
    long sendSome(Transfer transfer) throws IOException {
        if (!plaintext.hasRemaining()) {
            plaintext.clear();
            transfer.copyTo(plaintext);
            plaintext.flip();
        }
        int taken;
        try {
            taken = line.write(plaintext);
        } catch (SSLException e) {
            throw new ConnectionLostException(String.valueOf(e.getMessage()));
        }
        transfer.advance(taken);
        counters.sent.add(taken);
        counters.plain.add(taken);
        return taken == 0 ? -Constants.EAGAIN : taken;
    }

    @Override
    public long receive(MemorySegment into) throws IOException {
        try {
            return line.read(into.asByteBuffer());
        } catch (SSLException e) {
            throw new ConnectionLostException(String.valueOf(e.getMessage()));
        }
    }

    @Override
    public boolean holdsReceived() {
        return line.holds();
    }

    @Override
    public boolean finish() {
        try {
            return line.finish() && super.finish();
        } catch (IOException e) {
            return super.finish(); // and the next look at the socket tells of it
        }
    }

    /** What TLS itself has said, and nobody has read, would make the kernel break the connection off instead of ending it. */
    @Override
    public void close() {
        ByteBuffer rest = ByteBuffer.allocateDirect(RECORD_BYTES);
        try {
            for (int i = 0; i < MOST_LAST_READS && line.read(rest.clear()) > 0; i++) {
                // of no interest
            }
        } catch (IOException e) {
            // it has ended otherwise
        }
        super.close();
    }
}
