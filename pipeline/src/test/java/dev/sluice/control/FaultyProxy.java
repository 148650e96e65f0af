// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * A TCP proxy in front of a receiver, which at random places stops reading for a while, or resets the connection. While
 * it does not read, the sender's queue fills with references to its buffers.
 */
final class FaultyProxy implements AutoCloseable {

    private static final int BLOCK_BYTES = 1 << 16;
    private static final long NEVER = Long.MAX_VALUE;

    private final ServerSocketChannel server = ServerSocketChannel.open();
    private final InetSocketAddress target;
    private final Random random;
    private final Faults faults;
    private long passedBytes;
    private long nextStall;
    private long nextReset;
    private final AtomicInteger stalls = new AtomicInteger();
    private final AtomicInteger resets = new AtomicInteger();

    /**
     * How often and how long.
     *
     * @param stallEveryBytes mean distance of two stalls, each from half to one and a half times that
     * @param stall how long it stops reading
     * @param resetEveryBytes mean distance of two resets, likewise; 0 never resets
     * @param mostResets so that a stream comes to its end
     */
    record Faults(long stallEveryBytes, Duration stall, long resetEveryBytes, int mostResets) {}

    FaultyProxy(InetSocketAddress target, long seed, Faults faults) throws IOException {
        this.target = target;
        this.random = new Random(seed);
        this.faults = faults;
        nextStall = after(faults.stallEveryBytes());
        nextReset = after(faults.resetEveryBytes());
        server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        Thread.ofPlatform().name("faulty-proxy").daemon().start(this::serve);
    }

    InetSocketAddress address() throws IOException {
        return (InetSocketAddress) server.getLocalAddress();
    }

    int stalls() {
        return stalls.get();
    }

    int resets() {
        return resets.get();
    }

    private void serve() {
        while (server.isOpen()) {
            try (SocketChannel sender = server.accept();
                    SocketChannel receiver = SocketChannel.open(target)) {
                if (!pump(sender, receiver)) {
                    // Linger 0: both ends see a reset, with whatever was on its way gone.
                    sender.setOption(StandardSocketOptions.SO_LINGER, 0);
                    receiver.setOption(StandardSocketOptions.SO_LINGER, 0);
                }
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException oneEndIsGone) {
                // So is this connection, then; the sender makes another.
            }
        }
    }

    /** True if the sender closed the stream; false if it is to be reset. */
    private boolean pump(SocketChannel sender, SocketChannel receiver) throws IOException {
        ByteBuffer block = ByteBuffer.allocateDirect(BLOCK_BYTES);
        while (sender.read(block.clear()) >= 0) {
            block.flip();
            passedBytes += block.remaining();
            while (block.hasRemaining()) {
                receiver.write(block);
            }
            if (passedBytes >= nextStall) {
                nextStall = after(faults.stallEveryBytes());
                stalls.incrementAndGet();
                LockSupport.parkNanos(faults.stall().toNanos());
            }
            if (passedBytes >= nextReset && resets.get() < faults.mostResets()) {
                nextReset = after(faults.resetEveryBytes());
                resets.incrementAndGet();
                return false;
            }
        }
        return true;
    }

    private long after(long meanBytes) {
        return meanBytes == 0 ? NEVER : passedBytes + (long) (meanBytes * (0.5 + random.nextDouble()));
    }

    @Override
    public void close() throws IOException {
        server.close(); // which ends the thread, once the connection at hand is done
    }
}
