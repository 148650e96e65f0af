// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/**
 * An io_uring (man 7 io_uring): operations are written into one ring of memory that the kernel shares, and what became of
 * them is read from another. One thread at a time.
 *
 * <p>Who writes what: this side the tail of the submissions and the head of the completions, the kernel the other two. A
 * release store of an index goes behind the entries that it covers, an acquire load of one before them.
 */
public final class IoUring implements AutoCloseable {

    /** Told of each completion. */
    @FunctionalInterface
    public interface Completions {
        /**
         * An operation has come so far.
         *
         * @param result zero or more, or the negated errno
         * @param flags IORING_CQE_F_…
         */
        void completed(long userData, int result, int flags);
    }

    /** The kernel registers no more at once (io_uring/rsrc.c). */
    public static final long MOST_BUFFER_BYTES = 1L << 30;

    private static final VarHandle INDEX = JAVA_INT.varHandle();

    private final int fd;
    private final SharedMemory rings;
    private final SharedMemory entries;
    private final MemorySegment ring;
    private final MemorySegment sqes;
    private final MemorySegment cqes;
    private final long sqTail;
    private final long cqHead;
    private final long cqTail;
    private final int sqMask;
    private final int cqMask;
    private int tail;
    private int submitted;

    private IoUring(int fd, MemorySegment params) throws LinuxException {
        this.fd = fd;
        int sqEntries = IoUringParams.get(params, "sq_entries");
        int cqEntries = IoUringParams.get(params, "cq_entries");
        long array = IoUringParams.get(params, "sq_off.array");
        long completions = IoUringParams.get(params, "cq_off.cqes");
        long bytes = Math.max(array + (long) sqEntries * Integer.BYTES, completions + cqEntries * IoUringCqe.BYTES);
        rings = SharedMemory.ring(fd, Constants.IORING_OFF_SQ_RING, bytes);
        SharedMemory mapped;
        try {
            mapped = SharedMemory.ring(fd, Constants.IORING_OFF_SQES, sqEntries * IoUringSqe.BYTES);
        } catch (LinuxException e) {
            rings.close();
            throw e;
        }
        entries = mapped;
        ring = rings.segment();
        sqes = entries.segment();
        cqes = ring.asSlice(completions, cqEntries * IoUringCqe.BYTES);
        sqTail = IoUringParams.get(params, "sq_off.tail");
        cqHead = IoUringParams.get(params, "cq_off.head");
        cqTail = IoUringParams.get(params, "cq_off.tail");
        sqMask = sqEntries - 1;
        cqMask = cqEntries - 1;
        // Which entry stands where in the ring of submissions: each at its own place, for good.
        for (int i = 0; i < sqEntries; i++) {
            ring.set(JAVA_INT, array + (long) i * Integer.BYTES, i);
        }
        tail = (int) INDEX.getAcquire(ring, sqTail);
        submitted = tail;
    }

    /**
     * Makes one.
     *
     * @param submissions operations that can be written before they are {@linkplain #submit handed over}
     * @param completions how many may wait to be read before the kernel keeps them elsewhere
     * @throws LinuxException ENOSYS, EPERM: there is none, or not for this user (sysctl kernel.io_uring_disabled, seccomp)
     */
    public static IoUring open(int submissions, int completions) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment params = IoUringParams.allocate(arena, completions);
            int fd = LinuxException.check(Libc.ioUringSetup(submissions, params), "io_uring_setup");
            try {
                int needed = Constants.IORING_FEAT_SINGLE_MMAP | Constants.IORING_FEAT_NODROP;
                if ((IoUringParams.get(params, "features") & needed) != needed) {
                    throw new LinuxException("io_uring of before Linux 5.5", Constants.EOPNOTSUPP);
                }
                return new IoUring(fd, params);
            } catch (LinuxException e) {
                Libc.close(fd);
                throw e;
            }
        }
    }

    /** Whether the kernel knows an operation. */
    public boolean supports(int operation) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment probe = IoUringProbe.allocate(arena);
            int result = Libc.ioUringRegister(fd, Constants.IORING_REGISTER_PROBE, probe, IoUringProbe.OPERATIONS);
            return result >= 0 && IoUringProbe.supports(probe, operation);
        }
    }

    /**
     * Pins memory once for all sends from it; by their order in the array these are the buffers of {@link #sendZerocopy}.
     * They stay pinned until the ring is closed and nothing is sent from them any more.
     *
     * @param iovecs an {@link Iovec} array, each element at most {@link #MOST_BUFFER_BYTES}
     * @return 0, or the negated errno: EOPNOTSUPP (the kernel does not register such mappings), ENOMEM (the memlock limit)
     */
    public int register(MemorySegment iovecs, int count) {
        return Math.min(0, Libc.ioUringRegister(fd, Constants.IORING_REGISTER_BUFFERS, iovecs, count));
    }

    /** Polls as readable while there are completions. */
    public int fd() {
        return fd;
    }

    /** Operations that can be written before they are handed over. */
    public int entries() {
        return sqMask + 1;
    }

    /**
     * Writes a send that copies.
     *
     * @param linked whether the next operation waits for this one to end well
     */
    public void send(int socket, long address, int bytes, int flags, boolean linked, long userData) {
        write(Constants.IORING_OP_SEND, socket, address, bytes, flags, 0, 0, linked, userData);
    }

    /**
     * Writes a send by reference (man 3 io_uring_prep_send_zc): it completes twice, when the socket has taken the bytes and
     * when the kernel has let go of them, and says with the second whether they were copied after all.
     *
     * @param buffer the registered one that holds the bytes; -1 if none does
     * @param linked whether the next operation waits for this one to end well
     */
    public void sendZerocopy(
            int socket, long address, int bytes, int flags, int buffer, boolean linked, long userData) {
        int zerocopy = Constants.IORING_SEND_ZC_REPORT_USAGE | (buffer >= 0 ? Constants.IORING_RECVSEND_FIXED_BUF : 0);
        write(
                Constants.IORING_OP_SEND_ZC,
                socket,
                address,
                bytes,
                flags,
                zerocopy,
                Math.max(0, buffer),
                linked,
                userData);
    }

    private void write(
            int operation,
            int socket,
            long address,
            int bytes,
            int flags,
            int sendFlags,
            int buffer,
            boolean linked,
            long userData) {
        int at = tail & sqMask;
        int link = linked ? Constants.IOSQE_IO_LINK : 0;
        IoUringSqe.send(sqes, at, operation, socket, address, bytes, flags, sendFlags, buffer, link, userData);
        tail++;
        INDEX.setRelease(ring, sqTail, tail);
    }

    /**
     * Hands over what was written. What could be done at once is complete; what the kernel did not take is forgotten.
     *
     * @return how many operations it took, or the negated errno if none: EAGAIN, EBUSY, ENOMEM may pass
     */
    public int submit() {
        int taken;
        do {
            taken = Libc.ioUringEnter(fd, tail - submitted, 0, 0);
        } while (taken == -Constants.EINTR);
        // Handed over later, they would not wait for those that they are linked to.
        submitted += Math.max(0, taken);
        tail = submitted;
        INDEX.setRelease(ring, sqTail, tail);
        return taken;
    }

    /** Has the kernel move completions that found no room back into the ring, and end what is ready to. */
    public void pump() {
        Libc.ioUringEnter(fd, 0, 0, Constants.IORING_ENTER_GETEVENTS);
    }

    /** Passes on the completions that there are. */
    public void reap(Completions to) {
        int head = (int) INDEX.getAcquire(ring, cqHead);
        int end = (int) INDEX.getAcquire(ring, cqTail);
        while (head != end) {
            int at = head & cqMask;
            long userData = IoUringCqe.userData(cqes, at);
            int result = IoUringCqe.result(cqes, at);
            int flags = IoUringCqe.flags(cqes, at);
            head++;
            INDEX.setRelease(ring, cqHead, head); // before it is told, which may throw
            to.completed(userData, result, flags);
        }
    }

    /** Cancels what is under way, and lets go of the registered memory as soon as nothing is sent from it. */
    @Override
    public void close() {
        entries.close();
        rings.close();
        Libc.close(fd);
    }
}
