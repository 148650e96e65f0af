// SPDX-License-Identifier: Apache-2.0
package dev.sluice.faults;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * One direction of one connection. A thread takes bytes from their sender, up to the byte of the next fault; another passes
 * them on and does to them what the faults say, in the order of the stream. So bytes that are delayed do not keep those
 * behind them from being taken.
 */
final class Relay {

    private static final int BLOCK_BYTES = 1 << 16;
    private static final int BLOCKS = 64;
    private static final long BETWEEN_FRAGMENTS_NANOS = TimeUnit.MICROSECONDS.toNanos(100);
    private static final int THROTTLED_WRITES_PER_SECOND = 100;

    /** What the first thread hands to the second. */
    private sealed interface Item {}

    private record Piece(ByteBuffer bytes, long due) implements Item {}

    private record Begin(Fault fault, long position) implements Item {}

    private record End() implements Item {}

    private final Connection connection;
    private final Direction direction;
    private final SocketChannel from;
    private final SocketChannel to;
    private final BlockingQueue<Item> queue = new ArrayBlockingQueue<>(BLOCKS);
    private final Thread taking;
    private final Thread passing;

    // The thread that takes.
    private final List<Planned> plan;
    private final Random[] chances;
    private final long[] next;
    private long position;
    private Duration delay = Duration.ZERO;
    private long delayedUntil;

    // The thread that passes on.
    private final Random bits;
    private final Random lengths; // of its own: how many are drawn depends on how the bytes come
    private long throttledBytes;
    private long bytesPerSecond;
    private long fragmentedBytes;
    private int fragmentBytes;
    private long corruptBytes;
    private boolean ended;

    Relay(
            Connection connection,
            Direction direction,
            SocketChannel from,
            SocketChannel to,
            List<Planned> plan,
            Random seeds) {
        this.connection = connection;
        this.direction = direction;
        this.from = from;
        this.to = to;
        this.plan = plan;
        bits = new Random(seeds.nextLong());
        lengths = new Random(seeds.nextLong());
        chances = new Random[plan.size()];
        next = new long[plan.size()];
        for (int i = 0; i < next.length; i++) {
            Planned planned = plan.get(i);
            chances[i] = new Random(seeds.nextLong()); // each its own, so that one more changes nothing for the others
            next[i] = planned.direction() == direction ? planned.first(chances[i]) : Planned.NEVER;
        }
        taking = thread("take", this::take);
        passing = thread("pass", this::pass);
    }

    private Thread thread(String work, Work body) {
        return Thread.ofPlatform()
                .name("fault-proxy-" + work + "-" + direction)
                .daemon()
                .unstarted(() -> run(body));
    }

    void start() {
        taking.start();
        passing.start();
    }

    /** The connection is over: each may wait for the other, which waits for nothing any more. */
    void stop() {
        taking.interrupt();
        passing.interrupt();
    }

    /** The work of a thread, until the connection is over. */
    @FunctionalInterface
    private interface Work {
        void run() throws IOException, InterruptedException;
    }

    private void run(Work work) {
        try {
            work.run();
        } catch (IOException oneEndIsGone) {
            connection.reset(); // so the other end shall see it, too
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void take() throws IOException, InterruptedException {
        while (true) {
            if (!beginFaults()) {
                return;
            }
            ByteBuffer block = ByteBuffer.allocate((int) Math.min(BLOCK_BYTES, nextFault() - position));
            int bytes = from.read(block);
            if (bytes < 0) {
                queue.put(new End());
                return;
            }
            position += bytes;
            connection.took(direction, bytes);
            long due = position <= delayedUntil ? System.nanoTime() + delay.toNanos() : System.nanoTime();
            queue.put(new Piece(block.flip(), due));
        }
    }

    private long nextFault() {
        long nearest = position < delayedUntil ? delayedUntil : Planned.NEVER;
        for (long at : next) {
            nearest = Math.min(nearest, at);
        }
        return nearest;
    }

    /** Those of the byte at hand. False after one that nothing is taken behind. */
    private boolean beginFaults() throws InterruptedException {
        for (int i = 0; i < next.length; i++) {
            if (next[i] != position) {
                continue;
            }
            Planned planned = plan.get(i);
            next[i] = planned.next(position, chances[i]);
            if (!connection.claim(i)) {
                next[i] = Planned.NEVER;
                continue;
            }
            switch (planned.fault()) {
                case Fault.Stall stall -> {
                    connection.injected(direction, position, stall);
                    connection.pause(stall.pause().toNanos());
                }
                case Fault.Delay late -> {
                    connection.injected(direction, position, late);
                    delay = late.by();
                    delayedUntil = position + late.bytes();
                }
                case Fault fault -> queue.put(new Begin(fault, position));
            }
            if (planned.fault() instanceof Fault.Reset || planned.fault() instanceof Fault.BlackHole) {
                return false;
            }
        }
        return true;
    }

    private void pass() throws IOException, InterruptedException {
        while (true) {
            switch (queue.take()) {
                case Piece piece -> {
                    connection.pause(piece.due() - System.nanoTime());
                    pass(piece.bytes());
                }
                case Begin(Fault fault, long at) -> begin(fault, at);
                case End _ -> {
                    end();
                    connection.directionEnded();
                    return;
                }
            }
        }
    }

    private void begin(Fault fault, long at) throws IOException {
        if (fault instanceof Fault.BlackHole) {
            connection.blackHole(); // before it is counted: who has waited for that finds it dark
        }
        connection.injected(direction, at, fault);
        switch (fault) {
            case Fault.Throttle throttle -> {
                throttledBytes = throttle.bytes();
                bytesPerSecond = throttle.bytesPerSecond();
            }
            case Fault.Fragment fragment -> {
                fragmentedBytes = fragment.bytes();
                fragmentBytes = fragment.mostBytes();
            }
            case Fault.Corrupt corrupt -> corruptBytes = corrupt.bytes();
            case Fault.HalfClose _ -> end();
            case Fault.Reset _ -> connection.reset();
            case Fault.BlackHole _ -> {}
            case Fault.Stall _ -> throw new IllegalStateException("is for the thread that takes");
            case Fault.Delay _ -> throw new IllegalStateException("is for the thread that takes");
        }
    }

    private void end() throws IOException {
        connection.awaitLight();
        if (!ended) {
            ended = true;
            to.shutdownOutput();
        }
    }

    private void pass(ByteBuffer bytes) throws IOException, InterruptedException {
        int end = bytes.limit();
        while (!ended && bytes.position() < end) {
            long length = bytes.remaining();
            long pauseNanos = 0;
            if (throttledBytes > 0) {
                length = Math.min(length, Math.min(throttledBytes, 1 + bytesPerSecond / THROTTLED_WRITES_PER_SECOND));
            }
            if (fragmentedBytes > 0) {
                length = Math.min(length, Math.min(fragmentedBytes, lengths.nextLong(1, 1L + fragmentBytes)));
                fragmentedBytes -= length;
                pauseNanos = BETWEEN_FRAGMENTS_NANOS;
            }
            if (throttledBytes > 0) {
                throttledBytes -= length;
                pauseNanos = Math.max(pauseNanos, TimeUnit.SECONDS.toNanos(length) / bytesPerSecond);
            }
            for (int i = 0; i < length && corruptBytes > 0; i++, corruptBytes--) {
                int at = bytes.position() + i;
                bytes.put(at, (byte) (bytes.get(at) ^ 1 << bits.nextInt(Byte.SIZE)));
            }
            bytes.limit(bytes.position() + (int) length);
            while (bytes.hasRemaining()) {
                connection.awaitLight();
                to.write(bytes);
            }
            bytes.limit(end);
            connection.pause(pauseNanos);
        }
    }
}
