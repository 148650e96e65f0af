// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;

/** A connection over a socket. */
final class IncomingSocket implements Incoming {

    private final SocketChannel channel;
    private final Selector selector;
    private final SelectionKey key;
    private String brokenBecause = "";

    IncomingSocket(SocketChannel channel) throws IOException {
        this.channel = channel;
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

    @Override
    public boolean read(ByteBuffer into, BeforeWaiting waiting) throws IOException {
        while (brokenBecause.isEmpty()) {
            int got;
            try {
                got = channel.read(into);
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
            while (bytes.hasRemaining() && brokenBecause.isEmpty()) {
                if (channel.write(bytes) == 0) {
                    Duration left = Duration.ofNanos(until - System.nanoTime());
                    if (left.isNegative() || left.isZero()) {
                        brokenBecause = "the sender took no acknowledgement for " + longest.toMillis() + " ms";
                    } else {
                        await(SelectionKey.OP_WRITE, left);
                    }
                }
            }
        } catch (IOException e) {
            brokenBecause = String.valueOf(e.getMessage());
        }
    }

    /** For ever, if it is told zero. */
    private void await(int operation, Duration longest) throws IOException {
        key.interestOps(operation);
        selector.select(longest.isZero() ? 0 : Math.max(1, longest.toMillis()));
        selector.selectedKeys().clear();
    }

    @Override
    public void close() throws IOException {
        selector.close();
        channel.close();
    }
}
