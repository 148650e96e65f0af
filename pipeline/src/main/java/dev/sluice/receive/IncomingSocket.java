// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import dev.sluice.wire.TlsLine;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** A connection over a socket, plain or with TLS. */
final class IncomingSocket implements Incoming {

    private static final Duration LONGEST_FAREWELL = Duration.ofSeconds(1);

    private final SocketChannel channel;
    private final @Nullable TlsLine tls;

    /** What is said and heard goes through it. */
    private final ByteChannel line;

    private final Selector selector;
    private final SelectionKey key;
    private String brokenBecause = "";

    /** The sender hears nothing any more, as one that has closed does not. What it sent before may still have to be read. */
    private boolean unheard;

    private volatile boolean interrupted;

    /** @param tls through which the channel is read and written; null if it is directly */
    IncomingSocket(SocketChannel channel, @Nullable TlsLine tls) throws IOException {
        this.channel = channel;
        this.tls = tls;
        line = tls == null ? channel : tls;
        try {
            channel.configureBlocking(false);
            // An acknowledgement shall not wait for the one before to be acknowledged (Nagle).
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            selector = Selector.open();
            key = channel.register(selector, SelectionKey.OP_READ);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    @Override
    public Object peer() throws IOException {
        return channel.getRemoteAddress();
    }

    @Override
    public String brokenBecause() {
        return brokenBecause;
    }

    @Override
    public void breakOff(String because) {
        brokenBecause = because;
    }

    private boolean goesOn() {
        if (interrupted && brokenBecause.isEmpty()) {
            brokenBecause = "interrupted";
        }
        return brokenBecause.isEmpty();
    }

    @Override
    public synchronized void interrupt() {
        interrupted = true;
        if (selector.isOpen()) {
            selector.wakeup();
        }
    }

    @Override
    public boolean read(ByteBuffer into, BeforeWaiting waiting) throws IOException {
        while (goesOn()) {
            int got;
            try {
                got = line.read(into);
            } catch (IOException e) {
                brokenBecause = String.valueOf(e.getMessage());
                return false;
            }
            if (got != 0) {
                return got > 0;
            }
            Duration longest = waiting.longest();
            if (brokenBecause.isEmpty()) {
                await(SelectionKey.OP_READ, longest);
            }
        }
        return false;
    }

    @Override
    public void write(ByteBuffer bytes, Duration longest) throws IOException {
        long until = System.nanoTime() + longest.toNanos();
        try {
            while (bytes.hasRemaining() && !unheard && goesOn()) {
                if (line.write(bytes) == 0) {
                    Duration left = Duration.ofNanos(until - System.nanoTime());
                    if (left.isNegative() || left.isZero()) {
                        brokenBecause = "the sender took no acknowledgement for " + longest.toMillis() + " ms";
                    } else {
                        await(SelectionKey.OP_WRITE, left);
                    }
                }
            }
        } catch (IOException e) {
            unheard = true; // reading tells, behind all that has come, how the connection ended
        }
    }

    /**
     * Connects, and agrees with the sender on how what follows is encrypted, if it is to be.
     *
     * @throws IOException with one sentence, if that cannot be done in time, or at all
     */
    void connect(InetSocketAddress to, Duration longest) throws IOException {
        long until = System.nanoTime() + longest.toNanos();
        for (boolean made = channel.connect(to); !made; made = channel.finishConnect()) {
            await(SelectionKey.OP_CONNECT, until, "no answer");
        }
        for (int awaited; tls != null && (awaited = tls.shake()) != 0; ) {
            await(awaited, until, "the TLS handshake was not done");
        }
    }

    private void await(int operation, long untilNanos, String otherwise) throws IOException {
        long left = untilNanos - System.nanoTime();
        if (left <= 0) {
            throw new IOException(otherwise + " in time");
        }
        await(operation, Duration.ofNanos(left));
        if (!goesOn()) {
            throw new IOException(brokenBecause);
        }
    }

    /** For ever, if it is told zero. */
    private void await(int operation, Duration longest) throws IOException {
        key.interestOps(operation);
        selector.select(longest.isZero() ? 0 : Math.max(1, longest.toMillis()));
        selector.selectedKeys().clear();
    }

    /** It has ended already; the sender hears of it if it listens at all. */
    private void finish(TlsLine over) {
        long until = System.nanoTime() + LONGEST_FAREWELL.toNanos();
        try {
            while (!over.finish()) {
                await(SelectionKey.OP_WRITE, until, "it takes no end");
            }
        } catch (IOException e) {
            // it is gone
        }
    }

    @Override
    public synchronized void close() throws IOException {
        if (tls != null && brokenBecause.isEmpty()) {
            finish(tls);
        }
        selector.close();
        channel.close();
    }
}
