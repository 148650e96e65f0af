// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.SelectionKey;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * TLS over a non-blocking connection. It has memory for a record each way and never more. One thread at a time.
 *
 * <p>Like a non-blocking channel, but that it must {@link #shake} hands first, that what it {@link #holds} raises no event,
 * and that what was not written must be what is written next.
 */
public final class TlsLine implements ByteChannel {

    /** So often the connection is read for nothing: a peer may send records that carry no data as long as it likes. */
    private static final int MOST_READS = 16;

    /** Each answer that cannot be sent is kept by the engine, so there must be an end to them. */
    private static final int MOST_UNANSWERED = 16;

    /** Of a record's header, which ends with the length of what follows (RFC 8446, 5.1). */
    private static final int HEADER_BYTES = 5;

    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final ByteChannel connection;
    private final SSLEngine engine;

    /** What has come and is not decrypted; between its position and its limit, as the other two. */
    private final ByteBuffer incoming;

    private final ByteBuffer decrypted;
    private final ByteBuffer outgoing;

    /** Bytes of what was to be written that are in {@code outgoing}, or were when it was last filled with any. */
    private int covered;

    /** Records that carried nothing and ask for an answer, for which there is no room. */
    private int unanswered;

    private boolean begun;

    /** @param connection handed direct buffers only */
    public TlsLine(ByteChannel connection, SSLEngine engine) {
        this.connection = connection;
        this.engine = engine;
        int record = engine.getSession().getPacketBufferSize();
        incoming = ByteBuffer.allocateDirect(record).limit(0);
        outgoing = ByteBuffer.allocateDirect(record).limit(0);
        decrypted = ByteBuffer.allocateDirect(engine.getSession().getApplicationBufferSize())
                .limit(0);
    }

    /**
     * Goes as far with the handshake as the connection lets it.
     *
     * @return 0 when it is done, else what to wait for: {@link SelectionKey#OP_READ} or {@link SelectionKey#OP_WRITE}
     * @throws IOException with one sentence, if the peer cannot be talked to
     */
    public int shake() throws IOException {
        try {
            if (!begun) {
                begun = true;
                engine.beginHandshake();
            }
            return goOn();
        } catch (SSLException e) {
            sayWhy();
            throw new IOException("the TLS handshake failed: " + reason(e), e);
        }
    }

    /** What the JDK wraps says more than what it wraps it in. */
    private static String reason(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        String message = String.valueOf(root.getMessage());
        return message.contains("ecognized SSL message") ? "the peer does not speak TLS" : message;
    }

    private int goOn() throws IOException {
        int reads = 0;
        while (true) {
            if (!flush()) {
                return SelectionKey.OP_WRITE;
            }
            switch (engine.getHandshakeStatus()) {
                case NEED_TASK -> runTasks();
                case NEED_WRAP -> wrap(NOTHING);
                case NEED_UNWRAP, NEED_UNWRAP_AGAIN -> {
                    if (unwrap() == SSLEngineResult.Status.BUFFER_UNDERFLOW) {
                        int got = reads++ < MOST_READS ? fill() : 0;
                        if (got == 0) {
                            return SelectionKey.OP_READ;
                        }
                        if (got < 0) {
                            throw new SSLException("the peer closed the connection; does it speak TLS?");
                        }
                    }
                }
                case FINISHED, NOT_HANDSHAKING -> {
                    if (engine.isInboundDone() || engine.isOutboundDone()) {
                        throw new SSLException("the peer gave it up");
                    }
                    return 0;
                }
            }
        }
    }

    /** Whether bytes have come that are not read yet, and that nothing else will tell of. */
    public boolean holds() {
        return decrypted.hasRemaining() || holdsRecord();
    }

    private boolean holdsRecord() {
        return incoming.remaining() >= HEADER_BYTES
                && incoming.remaining() - HEADER_BYTES
                        >= Short.toUnsignedInt(incoming.getShort(incoming.position() + HEADER_BYTES - Short.BYTES));
    }

    /** @throws SSLException also if the connection ends before the peer has said that it does: somebody may have cut it */
    @Override
    public int read(ByteBuffer into) throws IOException {
        try {
            return take(into);
        } catch (SSLException e) {
            sayWhy();
            throw e;
        }
    }

    private int take(ByteBuffer into) throws IOException {
        // More is read when all that was held has been taken, so that there is an end to it.
        boolean mayFill = !holds();
        int taken = 0;
        int empty = 0;
        while (into.hasRemaining()) {
            if (decrypted.hasRemaining()) {
                int some = Math.min(into.remaining(), decrypted.remaining());
                into.put(into.position(), decrypted, decrypted.position(), some);
                into.position(into.position() + some);
                decrypted.position(decrypted.position() + some);
                taken += some;
            } else if (engine.isInboundDone()) {
                return taken > 0 ? taken : -1;
            } else if (unwrap() == SSLEngineResult.Status.BUFFER_UNDERFLOW) {
                int got = mayFill && taken == 0 && empty++ < MOST_READS ? fill() : 0;
                if (got == 0) {
                    return taken;
                }
                if (got < 0) {
                    throw new SSLException("the connection was cut off: the peer did not say that it ends");
                }
            } else {
                answer();
            }
        }
        return taken;
    }

    /** What the protocol itself has to say now that a record has come; if there is no room, whoever writes next says it. */
    private void answer() throws IOException {
        if (engine.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.NEED_TASK) {
            runTasks();
        }
        while (engine.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.NEED_WRAP) {
            if (!flush()) {
                if (!decrypted.hasRemaining() && ++unanswered > MOST_UNANSWERED) {
                    throw new SSLException("the peer asks again and again, and does not read the answers");
                }
                return;
            }
            unanswered = 0;
            if (!wrap(NOTHING)) {
                return;
            }
        }
        flush();
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
        int taken = 0;
        while (flush()) {
            from.position(from.position() + covered);
            taken += covered;
            covered = 0;
            if (!from.hasRemaining()) {
                return taken;
            }
            int at = from.position();
            if (!wrap(from)) {
                throw new SSLException("the peer has ended the connection");
            }
            covered = from.position() - at;
            from.position(at);
        }
        return taken;
    }

    /**
     * Says that no more will come.
     *
     * @return false if the connection did not take it yet: to be called again
     */
    public boolean finish() throws IOException {
        engine.closeOutbound();
        while (flush()) {
            if (engine.isOutboundDone() || !wrap(NOTHING)) {
                return true;
            }
        }
        return false;
    }

    /** Whether a record came of it; if not, there is no more to be said. */
    private boolean wrap(ByteBuffer from) throws IOException {
        outgoing.clear();
        try {
            return engine.wrap(from, outgoing).bytesProduced() > 0;
        } finally {
            outgoing.flip();
        }
    }

    private SSLEngineResult.Status unwrap() throws IOException {
        decrypted.clear();
        try {
            return engine.unwrap(incoming, decrypted).getStatus();
        } finally {
            decrypted.flip();
        }
    }

    /** The peer should know, but what is wrong here matters more. */
    private void sayWhy() {
        try {
            if (flush()) {
                wrap(NOTHING);
                flush();
            }
        } catch (IOException e) {
            // it is gone
        }
    }

    private void runTasks() {
        for (@Nullable Runnable task; (task = engine.getDelegatedTask()) != null; ) {
            task.run();
        }
    }

    private int fill() throws IOException {
        if (incoming.remaining() == incoming.capacity()) {
            throw new SSLException("a record of more than " + incoming.capacity() + " bytes");
        }
        incoming.compact();
        try {
            return connection.read(incoming);
        } finally {
            incoming.flip();
        }
    }

    private boolean flush() throws IOException {
        while (outgoing.hasRemaining()) {
            if (connection.write(outgoing) == 0) {
                return false;
            }
        }
        return true;
    }

    @Override
    public boolean isOpen() {
        return connection.isOpen();
    }

    @Override
    public void close() throws IOException {
        connection.close();
    }
}
