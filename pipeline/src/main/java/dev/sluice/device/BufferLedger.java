// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.Constants;
import dev.sluice.linux.EventFd;
import dev.sluice.linux.LinuxException;
import dev.sluice.metrics.DeviceCounts;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Who owns each buffer of a stand-in device; the driver keeps the same states. FREE: the device, idle. ARMED: the DMA
 * engine, which alone may write to it. FILLED: the device, queued for the process. LENT: the process, which may read it
 * until it gives it back.
 *
 * <pre>
 *   FREE ──arm──▶ ARMED ──fill──▶ FILLED ──lend──▶ LENT
 *     ▲             │ disarm                          │
 *     └─────────────┴──────────────release────────────┘
 * </pre>
 *
 * <p>Only this class changes a state, under its lock, and any other step is refused. Buffers are armed and lent in the
 * order in which they came.
 */
final class BufferLedger implements AutoCloseable {

    /** Who owns a buffer. */
    enum State {
        FREE,
        ARMED,
        FILLED,
        LENT
    }

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition armedOrHalted = lock.newCondition();
    private final EventFd ready = new EventFd();

    // Under the lock.
    private final State[] states;
    private final IntQueue armed;
    private final IntQueue filled;
    private final long[] offset;
    private final long[] bytes;
    private final long[] sequence;
    private final long[] timeNanos;
    private final long[] lostBefore;
    private final long[] position;
    private int lent;
    private boolean signalWanted;
    private boolean signalled;
    private boolean running;
    private boolean ended;
    private long nextSequence;
    private long frames;
    private long totalBytes;
    private long totalLost;
    private long unreportedLost;
    private long starvedNanos;

    BufferLedger(int count) throws LinuxException {
        states = new State[count];
        Arrays.fill(states, State.FREE);
        armed = new IntQueue(count);
        filled = new IntQueue(count);
        offset = new long[count];
        bytes = new long[count];
        sequence = new long[count];
        timeNanos = new long[count];
        lostBefore = new long[count];
        position = new long[count];
    }

    int readyFd() {
        return ready.fd();
    }

    /** The engine runs from now on. */
    void start() {
        lock.lock();
        try {
            running = true;
        } finally {
            lock.unlock();
        }
    }

    /** The engine is halted: armed buffers become free. */
    void stop() {
        lock.lock();
        try {
            running = false;
            while (!armed.isEmpty()) {
                move(armed.removeFirst(), State.ARMED, State.FREE);
            }
            armedOrHalted.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** FREE → ARMED, while the engine runs; a halted one arms nothing, and the answer is false. */
    boolean arm(int buffer) {
        lock.lock();
        try {
            if (!running) {
                return false;
            }
            move(buffer, State.FREE, State.ARMED);
            armed.addLast(buffer);
            armedOrHalted.signalAll();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** The buffer that the engine writes to next, or -1 if none is armed. It stays ARMED until {@link #fill}. */
    int armedNext() {
        lock.lock();
        try {
            return armed.isEmpty() ? -1 : armed.peekFirst();
        } finally {
            lock.unlock();
        }
    }

    /** Waits up to {@code nanos} for a buffer to be armed or the engine to be halted: the engine is starved meanwhile. */
    void awaitArmed(long nanos) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            long began = System.nanoTime();
            boolean waits = armed.isEmpty();
            for (long left = nanos; left > 0 && armed.isEmpty() && running; ) {
                left = armedOrHalted.awaitNanos(left);
            }
            starvedNanos += waits ? System.nanoTime() - began : 0;
        } finally {
            lock.unlock();
        }
    }

    /**
     * ARMED → FILLED: the engine is done with the buffer it was writing to. An engine that was halted meanwhile has lost
     * the frame.
     */
    void fill(int buffer, long atOffset, long validBytes) {
        fill(buffer, atOffset, validBytes, TimeUnit.MILLISECONDS.toNanos(System.currentTimeMillis()));
    }

    /** The same, at a time that is not now. */
    void fill(int buffer, long atOffset, long validBytes, long atNanos) {
        lock.lock();
        try {
            if (!running) {
                return;
            }
            move(buffer, State.ARMED, State.FILLED);
            armed.removeFirst();
            offset[buffer] = atOffset;
            bytes[buffer] = validBytes;
            sequence[buffer] = nextSequence++;
            timeNanos[buffer] = atNanos;
            lostBefore[buffer] = unreportedLost;
            position[buffer] = totalBytes + totalLost;
            unreportedLost = 0;
            frames++;
            totalBytes += validBytes;
            filled.addLast(buffer);
            signal();
        } finally {
            lock.unlock();
        }
    }

    /** Bytes came for {@code nanos} and there was no buffer for them; the next frame carries the number. */
    void lose(long lost, long nanos) {
        lock.lock();
        try {
            starvedNanos += nanos;
            totalLost += lost;
            unreportedLost += lost;
        } finally {
            lock.unlock();
        }
    }

    /** There will be no more frames. */
    void end() {
        lock.lock();
        try {
            ended = true;
            signal();
        } finally {
            lock.unlock();
        }
    }

    /** FILLED → LENT, as many as there are and the batch holds. */
    int lend(FrameBatch into) {
        lock.lock();
        try {
            if (signalled) {
                ready.clear();
                signalled = false;
            }
            into.clear();
            while (into.size() < into.capacity() && !filled.isEmpty()) {
                int buffer = filled.removeFirst();
                move(buffer, State.FILLED, State.LENT);
                into.add(
                        buffer,
                        offset[buffer],
                        bytes[buffer],
                        sequence[buffer],
                        timeNanos[buffer],
                        lostBefore[buffer],
                        position[buffer]);
            }
            signalWanted = into.size() == 0 && !ended;
            return into.size();
        } finally {
            lock.unlock();
        }
    }

    boolean ended() {
        lock.lock();
        try {
            return ended && filled.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** LENT → FREE. False, and nothing happens, if the process does not hold it. */
    boolean release(int buffer) {
        lock.lock();
        try {
            if (buffer < 0 || buffer >= states.length || states[buffer] != State.LENT) {
                return false;
            }
            move(buffer, State.LENT, State.FREE);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** What the driver answers to a release of a buffer that the process does not hold. */
    static LinuxException notLent(int buffer, String device) {
        return new LinuxException(
                "release of buffer " + buffer + " of " + device + ", which is not lent", Constants.EINVAL);
    }

    DeviceCounts counts() {
        lock.lock();
        try {
            return new DeviceCounts(
                    states.length - armed.size() - filled.size() - lent,
                    armed.size(),
                    filled.size(),
                    lent,
                    0,
                    frames,
                    totalBytes,
                    totalLost,
                    true,
                    starvedNanos,
                    0,
                    0);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        ready.close();
    }

    private void move(int buffer, State from, State to) {
        if (states[buffer] != from) {
            throw new IllegalStateException("buffer " + buffer + " is " + states[buffer] + ", not " + from);
        }
        if (to == State.FILLED && armed.peekFirst() != buffer) {
            throw new IllegalStateException("buffer " + armed.peekFirst() + " is being written, not " + buffer);
        }
        states[buffer] = to;
        lent += to == State.LENT ? 1 : from == State.LENT ? -1 : 0;
    }

    private void signal() {
        if (signalWanted && !signalled) {
            signalled = true;
            signalWanted = false;
            ready.signal();
        }
    }
}
