// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.IoUring;
import dev.sluice.linux.Iovec;
import dev.sluice.linux.LinuxException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Rings that a sink's memory is registered with. Registering pins every page of it, so a ring goes from a connection that
 * has ended to the next. Any thread.
 */
final class Rings implements AutoCloseable {

    /** Operations that are handed over together: headers and stretches of what is sent together, or as many as this. */
    private static final int SUBMISSIONS = 64;

    /** Room for two completions of each send that may be under way. */
    static final int COMPLETIONS = 4096;

    /** There is no ring to be had; the message says why. */
    static final class UnavailableException extends IOException {
        private static final long serialVersionUID = 1L;

        UnavailableException(String reason) {
            super(reason);
        }
    }

    /** Registered memory, by its number as a registered buffer. */
    private record Stretch(long address, long bytes) {}

    /** One ring, and what is registered with it. One thread at a time. */
    static final class Ring {

        private final IoUring uring;
        private final List<Stretch> registered;
        private long operations;

        private Ring(IoUring uring, List<Stretch> registered) {
            this.uring = uring;
            this.registered = registered;
        }

        IoUring uring() {
            return uring;
        }

        /** The number of an operation, over all connections. */
        long next() {
            return operations++;
        }

        /** The registered buffer that holds these bytes; -1 if none does. */
        int buffer(long address, long bytes) {
            for (int i = 0; i < registered.size(); i++) { // one for each source, so hardly ever more than one
                long offset = address - registered.get(i).address();
                if (offset >= 0 && offset + bytes <= registered.get(i).bytes()) {
                    return i;
                }
            }
            return -1;
        }
    }

    private final List<Stretch> stretches = new ArrayList<>();

    // Under the lock.
    private final Deque<Ring> idle = new ArrayDeque<>();
    private boolean closed;

    private @Nullable String refusal;

    Rings(List<MemorySegment> memory) {
        for (MemorySegment one : memory) {
            long most = IoUring.MOST_BUFFER_BYTES;
            for (long offset = 0; offset < one.byteSize(); offset += most) {
                stretches.add(new Stretch(one.address() + offset, Math.min(most, one.byteSize() - offset)));
            }
        }
    }

    /** @throws UnavailableException if this kernel, this user or this memory cannot do it */
    Ring take() throws UnavailableException {
        synchronized (this) {
            if (refusal != null) {
                throw new UnavailableException(refusal);
            }
            Ring waiting = idle.poll();
            if (waiting != null) {
                return waiting;
            }
        }
        return open();
    }

    private Ring open() throws UnavailableException {
        IoUring uring;
        try {
            uring = IoUring.open(SUBMISSIONS, COMPLETIONS);
        } catch (LinuxException e) {
            throw new UnavailableException(
                    switch (e.errno()) {
                        case Constants.ENOSYS -> "this kernel has no io_uring";
                        case Constants.EPERM, Constants.EACCES ->
                            "io_uring is not allowed here: see sysctl kernel.io_uring_disabled, or the container's seccomp profile";
                        case Constants.ENOMEM -> "io_uring gets no memory: raise the memlock limit";
                        default -> "io_uring cannot be set up: " + LinuxException.describe(e.errno());
                    });
        }
        String refused = refused(uring);
        if (refused != null) {
            uring.close();
            throw new UnavailableException(refused);
        }
        return new Ring(uring, stretches);
    }

    private @Nullable String refused(IoUring uring) {
        if (!uring.supports(Constants.IORING_OP_SEND_ZC)) {
            return "this kernel's io_uring cannot send by reference (Linux 6.0 and later can)";
        }
        if (!KernelRelease.running().isAtLeast(6, 2)) { // IORING_SEND_ZC_REPORT_USAGE, which has no probe
            return "this kernel's io_uring does not say what it copied (Linux 6.2 and later do)";
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment iovecs = Iovec.allocateArray(arena, stretches.size());
            for (int i = 0; i < stretches.size(); i++) {
                Iovec.set(
                        iovecs, i, stretches.get(i).address(), stretches.get(i).bytes());
            }
            int result = uring.register(iovecs, stretches.size());
            return switch (-result) {
                case 0 -> null;
                case Constants.EOPNOTSUPP ->
                    "this kernel does not register a driver's memory with io_uring (Linux 6.12 does)";
                case Constants.ENOMEM ->
                    "the memlock limit is too small to register the buffers: raise it (LimitMEMLOCK= of the service)";
                case Constants.EFAULT ->
                    "the buffers cannot be registered: their mapping is read only, or has no struct pages";
                default -> "the buffers cannot be registered: " + LinuxException.describe(-result);
            };
        }
    }

    /** What was learned only by trying: there is none from now on. */
    void refuse(String reason) {
        synchronized (this) {
            refusal = reason;
        }
        closeIdle();
    }

    /** A connection is done with it, and nothing is under way there. */
    void giveBack(Ring ring) {
        synchronized (this) {
            if (!closed && refusal == null) {
                idle.add(ring);
                return;
            }
        }
        ring.uring.close();
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        closeIdle();
    }

    private void closeIdle() {
        List<Ring> all;
        synchronized (this) {
            all = List.copyOf(idle);
            idle.clear();
        }
        all.forEach(ring -> ring.uring.close());
    }
}
